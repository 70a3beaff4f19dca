# One image for every role: `affidavit serve`, `affidavit worker`, `affidavit migrate`, `affidavit keys`.

FROM python:3.12-slim AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/opt/affidavit UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir 'uv>=0.9,<1'
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
# The dependencies first: they change less often than the code.
RUN uv sync --frozen --no-install-project --extra server --extra ocr-neural --extra s3 --extra otel --extra timestamp
COPY src src
COPY migrations migrations
RUN uv sync --frozen --no-editable --extra server --extra ocr-neural --extra s3 --extra otel --extra timestamp

FROM python:3.12-slim
# Tesseract with English and German is among the dependencies; these are further languages for it.
ARG TESSERACT_LANGUAGES=""
RUN if [ -n "$TESSERACT_LANGUAGES" ]; then \
      apt-get update \
      && apt-get install --no-install-recommends --yes tesseract-ocr \
        $(for language in $TESSERACT_LANGUAGES; do echo "tesseract-ocr-$language"; done) \
      && rm -rf /var/lib/apt/lists/*; \
    fi
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data affidavit \
    && install -d -o affidavit -g affidavit -m 0750 /data \
    && install -d -o affidavit -g affidavit -m 0700 /keys
COPY --from=build /opt/affidavit /opt/affidavit
ENV PATH=/opt/affidavit/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AFFIDAVIT_DATA_DIR=/data \
    AFFIDAVIT_HOST=0.0.0.0 \
    AFFIDAVIT_PORT=8000
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
ENTRYPOINT ["affidavit"]
CMD ["serve"]
