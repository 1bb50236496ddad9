# Scheduler and workers in Kubernetes, and a client there (docs/howto/cloud.md):
#   docker build --tag REGISTRY/skymist:0.1.0 .
# Python and Dask must be those of the machine that starts the scan: --build-arg PYTHON=3.12
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
# With a fixed date, equal sources give equal layers: bytecode then holds hashes in place of times.
ENV SOURCE_DATE_EPOCH=1767225600 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY catalogs catalogs
COPY cluster_configs cluster_configs
COPY skymist skymist
RUN python -m venv /opt/skymist
RUN /opt/skymist/bin/pip install '.[kubernetes,object-store]' \
    'dask==2026.*' 'distributed==2026.*' 'kr8s==0.20.*' 'numba==0.*' 'numpy==2.*' 'xarray==2026.*' 'zarr==3.*'

FROM python:${PYTHON}-slim-bookworm
COPY --from=build /opt/skymist /opt/skymist
# Nothing but /tmp is written: what Numba compiles, what Dask spills, what matplotlib finds.
ENV PATH=/opt/skymist/bin:$PATH HOME=/tmp NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
# No entry point: pods give the whole command.
CMD ["skymist", "--help"]
