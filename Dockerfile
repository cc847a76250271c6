# docker build -t moatdns .
# docker run -p 53:5300/udp -p 53:5300/tcp -v ./moatdns.yaml:/etc/moatdns/moatdns.yaml:ro -v moatdns:/var/lib/moatdns moatdns
FROM python:3.11-slim AS build
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY requirements.txt requirements-build.txt ./
# What builds it stays here; what runs it has its own environment, without pip.
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt \
 && python -m venv --without-pip /opt/moatdns \
 && /build/bin/pip --python /opt/moatdns/bin/python install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY moatdns moatdns
COPY resolver resolver
COPY blocklists blocklists
COPY admin_api admin_api
# The query path compiled: as `make compiled` does it.
RUN MOATDNS_COMPILE=1 /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /opt/moatdns/bin/python install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.11-slim
RUN useradd --system --home-dir /var/lib/moatdns --create-home moatdns
COPY --from=build /opt/moatdns /opt/moatdns
COPY deploy/docker/moatdns.yaml /etc/moatdns/moatdns.yaml
ENV PATH=/opt/moatdns/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER moatdns
VOLUME /var/lib/moatdns
EXPOSE 5300/udp 5300/tcp
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["moatdns", "healthcheck"]
ENTRYPOINT ["moatdns"]
CMD ["serve"]
