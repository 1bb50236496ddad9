"""What things are: pure, no input or output, no Dask."""
