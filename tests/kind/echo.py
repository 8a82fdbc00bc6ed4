"""The application behind the proxies of the kind run: answers 200 with what it received, as JSON.

The headers as an object of lists, `:uri`, and the length of `:body`; the same as the one of the
Envoy-only run. It prints one line for each request, which is how arrivals are counted.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        print("arrived", self.path, flush=True)
        seen = {":uri": self.path, ":body": len(self.body())}
        for name in self.headers.keys():
            seen[name.lower()] = self.headers.get_all(name)
        text = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("x-upstream", "upstream")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        return body

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Echo)
    print("listening", server.server_port, flush=True)
    server.serve_forever()
