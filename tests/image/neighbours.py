"""Who a container meets, on the loopback interface of a network that has nothing else: a name server that
knows `*.example.test`, and an HTTPS server with a certificate of our own authority.
"""

import fcntl
import http.server
import socket
import ssl
import struct
import subprocess
import threading


def loopback_up():
    up, set_flags = 0x1, 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH22x", b"lo", up))


def name_server():
    """Every name of `example.test` is this machine; no other name exists."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 53))

    def answer():
        while True:
            query, caller = listening.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            name, kind = query[12 : end - 4], query[end - 4 : end - 2]
            ours = name.endswith(b"\x07example\x04test\0")
            address = ours and kind == b"\0\x01"
            header = query[:2] + (b"\x81\x80" if ours else b"\x81\x83")
            counts = struct.pack(">4H", 1, int(address), 0, 0)
            record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01" if address else b""
            listening.sendto(header + counts + query[12:end] + record, caller)

    threading.Thread(target=answer, daemon=True).start()


class Authority:
    """Signs certificates."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        self._openssl(*new, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")

    def pem(self):
        return (self.folder / "ca.crt").read_bytes()

    def issue(self, name):
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]
        names = ["-subj", "/CN=server", "-addext", f"subjectAltName=DNS:{name}"]
        self._openssl(*new, *sign, *names, "-keyout", "tls.key", "-out", "tls.crt")
        return self.folder / "tls.crt", self.folder / "tls.key"

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


def bundle_server(authority, name, bundle):
    """Answers every request with the bundle."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", str(len(bundle)))
            self.end_headers()
            self.wfile.write(bundle)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(name))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
