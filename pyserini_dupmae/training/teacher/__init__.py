"""Cross-encoders as teachers of stage 3 (Eq. 15): `train` makes one, `score` asks one."""
