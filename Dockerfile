# The first stage puts packages and files together; the second is the image: no pip cache, no tests, no key.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN python -m venv --without-pip /opt/vestnik \
 && pip --python /opt/vestnik/bin/python install --no-cache-dir --require-hashes --no-deps \
    --disable-pip-version-check --root-user-action ignore -r requirements/base.txt
ENV PATH=/opt/vestnik/bin:$PATH STATIC_ROOT=/opt/static
COPY . .
# collecting reads the settings, which want a key: one that is thrown away with the command
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
    python manage.py collectstatic --no-input \
 && python -m compileall -q accounts clients config dashboard deploy mailings manage.py \
 && rm -rf var \
 && chmod -R a+rX,go-w /app /opt/static

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Vestnik" \
      org.opencontainers.image.description="Mailings to the clients of a directory, through an external HTTP gateway"
ENV PATH=/opt/vestnik/bin:$PATH \
    HOME=/tmp \
    LOG_FORMAT=json \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATIC_ROOT=/opt/static
# what it may write to, even where the root is mounted read-only. A new volume takes its owner from here, and a
# tmpfs its mode, but not its owner
RUN groupadd --gid 10001 vestnik \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin vestnik \
 && install -d -o 10001 -g 10001 -m 1777 /app/var \
 && install -d -o 10001 -g 10001 -m 0755 /secrets /secrets/database
COPY --from=build /opt/vestnik /opt/vestnik
COPY --from=build /opt/static /opt/static
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
# of the web server; the worker is asked by `python -m deploy.alive`
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "--config", "deploy/gunicorn_conf.py", "--bind", "0.0.0.0:8000", "config.wsgi"]
