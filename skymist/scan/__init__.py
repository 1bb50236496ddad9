"""Which cells come next (`plan`), and their evaluation on Dask (`run`)."""
