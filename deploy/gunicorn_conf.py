"""How the web server runs, under `./run` and in the image alike; where it listens is its starter's choice."""

worker_class = "gthread"
workers = 2
threads = 4
timeout = 60
graceful_timeout = 25
keepalive = 5
# a socket in the home folder that nothing here uses
control_socket_disable = True
# config/proxies.py alone decides whom to believe; the server would take the word of anybody on this machine
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
