"""rustorch beside torch eager, torch.compile and JAX.

`case` says what is measured and `groups` lists it; `peers` are those who compute it; `measure` times and checks
them; `overheads` measures what is not a tensor operation; `report` prints tables and the bars that should be met.
"""
