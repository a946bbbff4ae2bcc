# The base tag is exact, and the release build pins its content as well:
#   docker build --build-arg PYTHON_DIGEST=@sha256:... --tag pratique .
# Without the argument the tag alone counts, which is good enough for trying and not for a release.
ARG PYTHON_DIGEST=""

FROM docker.io/library/python:3.13.14-slim-trixie${PYTHON_DIGEST} AS build
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/build.txt
COPY . .
RUN python -m tools.image_root /image-root

# An interpreter, its libraries, the locked packages and the wheel; no shell, no package manager, nothing writable.
FROM scratch
COPY --from=build /image-root /
USER 65532:65532
EXPOSE 8443
ENTRYPOINT ["/usr/local/bin/pratique"]
CMD ["serve"]
