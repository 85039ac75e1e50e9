"""What is known of each architecture, against the model that transformers makes of it."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    DistilBertConfig,
    MPNetConfig,
    PreTrainedModel,
    RobertaConfig,
    XLMRobertaConfig,
)

from pyserini_dupmae.modeling.masked_lm import MASKED_LM_HEADS, embed, position_limit, transform
from pyserini_dupmae.training.pretrain.checkpoint import TYPES

POSITIONS = 12
SMALL = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
SMALL |= {"max_position_embeddings": POSITIONS, "pad_token_id": 1}
CONFIGS = {
    "bert": BertConfig(**SMALL, hidden_act="relu"),
    "roberta": RobertaConfig(**SMALL),
    "xlm-roberta": XLMRobertaConfig(**SMALL, hidden_act="relu"),  # the head has gelu all the same
    "mpnet": MPNetConfig(**SMALL),
    "distilbert": DistilBertConfig(
        vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8, max_position_embeddings=POSITIONS, pad_token_id=1
    ),
}


@pytest.fixture(params=CONFIGS)
def lm(request: pytest.FixtureRequest) -> PreTrainedModel:
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(CONFIGS[request.param]).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_every_type_is_tested():
    assert MASKED_LM_HEADS.keys() == CONFIGS.keys()


@torch.no_grad()
def test_so_many_tokens_fit_and_no_more(lm):
    limit = position_limit(lm.config)
    lm(torch.full((1, limit), 5))
    with pytest.raises((IndexError, RuntimeError)):
        lm(torch.full((1, limit + 1), 5))


@torch.no_grad()
def test_the_head_is_its_transform_and_the_output_layer(lm):
    ids = torch.randint(2, 20, (2, 7))
    hidden = lm.base_model(input_ids=ids)[0]
    torch.testing.assert_close(lm.get_output_embeddings()(transform(lm, hidden)), lm(input_ids=ids).logits)


@pytest.mark.parametrize("lm", [kind for kind in CONFIGS if kind in TYPES], indirect=True)
@torch.no_grad()
def test_words_and_their_vectors_are_embedded_alike(lm):
    ids = torch.randint(2, 20, (2, 7))
    vectors = lm.get_input_embeddings()(ids)
    torch.testing.assert_close(embed(lm, inputs_embeds=vectors), embed(lm, input_ids=ids))
