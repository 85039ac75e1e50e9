"""A DupMAE model from each type of checkpoint, with and without a masked-LM head, and what cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    BertConfig,
    BertTokenizer,
    DistilBertConfig,
    GPT2Config,
    GPT2Model,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

import pyserini_dupmae.modeling  # noqa: F401  registers the model with AutoModel
from pyserini_dupmae import init
from pyserini_dupmae.modeling import DupMAEConfig
from pyserini_dupmae.util.command import run_command

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "sea", "moon", "tide", "rises"]
TEXTS = ["the moon rises", "sea tide"]
SMALL = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"intermediate_size": 32, "max_position_embeddings": 160, "pad_token_id": 0, "initializer_range": 0.3}
DISTIL = {"vocab_size": len(WORDS), "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "initializer_range": 0.3}
CONFIGS = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL),
    "xlm-roberta": XLMRobertaConfig(**SMALL),
    "mpnet": MPNetConfig(**SMALL),
    "distilbert": DistilBertConfig(**DISTIL, max_position_embeddings=160),
    "untied": BertConfig(**SMALL, tie_word_embeddings=False),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """``checkpoint("bert", AutoModelForMaskedLM)`` saves one with random weights and its tokenizer."""

    def save(kind: str, auto_class: type = AutoModelForMaskedLM) -> Path:
        torch.manual_seed(1)
        model = auto_class.from_config(CONFIGS[kind])
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        folder = tmp_path / "checkpoint"
        model.save_pretrained(folder)
        BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}).save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command on a checkpoint; returns what it wrote to standard error, after checking the exit status."""

    def command(source: Path | str, *options: str, status: int = 0) -> str:
        capsys.readouterr()
        words = ["--from", str(source), "--output", str(tmp_path / "model"), "--cls-dim", "16", *options]
        if status:
            with pytest.raises(SystemExit) as stop:
                run_command(lambda: init.main(words))
            assert stop.value.code == status
        else:
            init.main(words)
        return capsys.readouterr().err

    return command


def test_quiet_prints_nothing(checkpoint, tmp_path, capfd):
    source = checkpoint("bert")
    capfd.readouterr()
    init.main(["--from", str(source), "--output", str(tmp_path / "model"), "--quiet"])
    assert capfd.readouterr() == ("", "")


def test_cls_dim_of_a_small_encoder(checkpoint, tmp_path):
    init.main(["--from", str(checkpoint("bert")), "--output", str(tmp_path / "model")])
    model = AutoModel.from_pretrained(tmp_path / "model")
    assert model.config.cls_dim == SMALL["hidden_size"]
    assert torch.equal(model.cls_projection.weight, torch.eye(SMALL["hidden_size"]))


@pytest.mark.parametrize("kind", CONFIGS)
def test_masked_lm_head_is_taken_over(kind, checkpoint, run, tmp_path):
    source = checkpoint(kind)
    assert "the checkpoint's masked-LM head" in run(source)
    model = AutoModel.from_pretrained(tmp_path / "model").eval()
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        expected = AutoModelForMaskedLM.from_pretrained(source).eval()(**batch).logits
        hidden = model.hidden_states(batch["input_ids"], batch["attention_mask"])
        torch.testing.assert_close(model.ot_head(hidden), expected)
        assert torch.equal(model(**batch).cls, hidden[:, 0])  # W^cls is the identity


@pytest.mark.parametrize("kind", ["bert", "distilbert", "mpnet"])
def test_headless_checkpoint_gets_a_head_and_says_so(kind, checkpoint, run, tmp_path):
    log = run(checkpoint(kind, AutoModel))
    assert "no masked-LM head" in log
    assert "W^cls: new, the identity" in log
    model = AutoModel.from_pretrained(tmp_path / "model")
    assert model.ot_head.output.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    # A hidden state that is a token's own embedding has that token as its largest logit.
    own = model.get_input_embeddings().weight.detach()
    normal = torch.nn.functional.normalize(own)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(normal)
        assert (model.ot_head(20 * normal).argmax(1) == torch.arange(len(own))).float().mean() > 0.8


def test_linear_head_is_a_copy_of_the_embeddings(checkpoint, run, tmp_path):
    assert "W^O: new, a copy of the input embeddings" in run(checkpoint("bert"), "--ot-head", "linear")
    model = AutoModel.from_pretrained(tmp_path / "model")
    assert torch.equal(model.ot_head.output.weight, model.get_input_embeddings().weight)
    assert model.ot_head.output.weight.data_ptr() != model.get_input_embeddings().weight.data_ptr()


def test_smaller_cls_is_a_seeded_orthonormal_projection(checkpoint, run, tmp_path):
    source = checkpoint("bert")
    projections = []
    for seed in "1", "1", "2":
        assert f"seed {seed}" in run(source, "--cls-dim", "5", "--seed", seed, "--overwrite")
        projections.append(AutoModel.from_pretrained(tmp_path / "model").cls_projection.weight.detach())
    assert torch.equal(projections[0], projections[1])
    assert not torch.equal(projections[0], projections[2])
    torch.testing.assert_close(projections[0] @ projections[0].T, torch.eye(5))


def test_settings_reach_the_configuration(checkpoint, run, tmp_path):
    options = ["--top-k", "7", "--activation", "log1p_relu", "--sep-is-ordinary", "--query-max-length", "9"]
    run(checkpoint("bert"), *options, "--doc-max-length", "99")
    config = AutoModel.from_pretrained(tmp_path / "model").config
    assert (config.top_k, config.activation, config.sep_is_ordinary) == (7, "log1p_relu", True)
    assert (config.query_max_length, config.doc_max_length) == (9, 99)
    assert (config.cls_token_id, config.sep_token_id, config.vocab_limit) == (2, 3, len(WORDS))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--cls-dim", "17"], ["17", "16", "--cls-dim"]),
        (["--doc-max-length", "161"], ["161", "160"]),
        (["--query-max-length", "1"], ["query_max_length is 1"]),
    ],
)
def test_settings_out_of_range(options, named, checkpoint, run, tmp_path):
    error = run(checkpoint("bert"), *options, status=2)
    assert all(part in error for part in named)
    assert not (tmp_path / "model").exists()


def test_positions_behind_the_padding_id_are_not_counted(checkpoint, run):
    assert "takes 2 to 159 tokens" in run(checkpoint("mpnet"), "--doc-max-length", "160", status=2)


def test_no_such_model(run, tmp_path):
    assert f"no model '{tmp_path / 'absent'}'" in run(tmp_path / "absent", status=2)
    assert "holds no model" in run(tmp_path, status=2)


def test_unsupported_type(run, tmp_path):
    GPT2Model(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9)).save_pretrained(tmp_path / "gpt")
    error = run(tmp_path / "gpt", status=2)
    assert "'gpt2'" in error
    assert "bert, distilbert, mpnet, roberta, xlm-roberta" in error


def test_pickled_weights_are_not_read(checkpoint, run, tmp_path):
    source = checkpoint("bert")
    (source / "model.safetensors").unlink()
    torch.save({}, source / "pytorch_model.bin")
    assert "safetensors" in run(source, status=2)


def test_incomplete_encoder(checkpoint, run):
    from safetensors.torch import load_file, save_file

    source = checkpoint("bert")
    weights = load_file(source / "model.safetensors")
    del weights["bert.encoder.layer.1.output.dense.weight"]
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    assert "bert.encoder.layer.1.output.dense.weight" in run(source, status=2)


def test_existing_output_is_kept_unless_told(checkpoint, run, tmp_path):
    source = checkpoint("bert")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").touch()
    assert "--overwrite" in run(source, status=2)
    assert (tmp_path / "model" / "mine").exists()
    assert "did not make, which is not deleted" in run(source, "--overwrite", status=2)
    assert (tmp_path / "model" / "mine").exists()
    (tmp_path / "model" / "mine").unlink()
    run(source)
    (tmp_path / "model" / "old").touch()
    run(source, "--overwrite")
    assert not (tmp_path / "model" / "old").exists()


def test_output_that_cannot_be_written(checkpoint, run, tmp_path):
    (tmp_path / "file").touch()
    assert "is no folder" in run(checkpoint("bert"), "--output", str(tmp_path / "file" / "model"), status=2)


def test_scale_and_threshold_of_the_weights(checkpoint, run, tmp_path):
    source = checkpoint("bert")
    run(source, "--activation", "none")
    plain = AutoModel.from_pretrained(tmp_path / "model").encode_texts(TEXTS, full_bow=True)
    run(source, "--activation", "none", "--ot-scale", "0.5", "--ot-threshold", "3", "--overwrite")
    scaled = AutoModel.from_pretrained(tmp_path / "model").encode_texts(TEXTS, full_bow=True)
    torch.testing.assert_close(scaled.bow, 0.5 * (plain.bow - 3), rtol=1e-4, atol=1e-4)
    assert torch.equal(scaled.cls, plain.cls)
    assert "masked-LM head" in run(source, "--ot-head", "linear", "--ot-scale", "2", "--overwrite", status=2)


def test_a_dupmae_model_gets_other_settings_and_half_the_size(checkpoint, run, tmp_path):
    run(checkpoint("bert"), "--top-k", "7", "--doc-max-length", "50")
    out = tmp_path / "changed"
    run(tmp_path / "model", "--output", str(out), "--doc-max-length", "20", "--dtype", "float16")
    first, changed = (AutoModel.from_pretrained(folder, dtype=torch.float32) for folder in (tmp_path / "model", out))
    assert (changed.config.doc_max_length, changed.config.top_k) == (20, 7)
    assert str(tmp_path) not in (out / "config.json").read_text()
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "model", out)]
    assert sizes[1] < 0.7 * sizes[0]
    for name, value in first.named_parameters():
        torch.testing.assert_close(changed.get_parameter(name), value, rtol=1e-3, atol=1e-3)
    assert torch.allclose(changed.encode_texts(TEXTS).cls, first.encode_texts(TEXTS).cls, atol=0.05)
    refused = run(tmp_path / "model", "--cls-dim", "8", "--overwrite", status=2)
    assert "needs other parameters" in refused


def test_words_have_entries_only_where_the_tokenizer_splits_them(
    checkpoint: Callable[..., Path], run: Callable[..., str], tmp_path: Path
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS))
    source = checkpoint("bert")
    run(source, "--lexical", "bm25", "--ot-texts", str(texts))
    assert DupMAEConfig.from_pretrained(tmp_path / "model").word_entries == 0
    BertTokenizer(vocab={word: i for i, word in enumerate([*WORDS[:-1], "##s"])}).save_pretrained(source)
    run(source, "--lexical", "bm25", "--ot-texts", str(texts), "--overwrite")
    assert DupMAEConfig.from_pretrained(tmp_path / "model").word_entries == 32_768
