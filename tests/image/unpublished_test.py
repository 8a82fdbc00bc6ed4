"""`.image/unpublished`, asked about a registry with TLS on this machine that gives out tokens as ghcr.io does."""

import base64
import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.parse
from pathlib import Path

from image import REPOSITORY
from neighbours import Authority

INDEX = "application/vnd.oci.image.index.v1+json"
USER, PASSWORD, TOKEN = "releaser", "of the workflow", "of the registry"


class Registry(http.server.BaseHTTPRequestHandler):
    """Has `owner/gate:1.2.3`, an index."""

    broken = False

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(address.query)
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = self.headers["authorization"] == f"Basic {basic}"
        asked = query["scope"] == ["repository:owner/gate:pull"] and query["service"] == [self.headers["host"]]
        body = json.dumps({"token": TOKEN}).encode()
        self.answer(200 if address.path == "/token" and known and asked else 403, body)

    def do_HEAD(self):
        if self.broken:
            return self.answer(503)
        if self.headers["authorization"] != f"Bearer {TOKEN}":
            return self.answer(401)
        has = self.path == "/v2/owner/gate/manifests/1.2.3" and INDEX in self.headers["accept"].split(",")
        return self.answer(200 if has else 404)

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class UnpublishedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.authority = Authority(Path(folder.name) / "authority")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("localhost"))
        self.handler = type("Handler", (Registry,), {})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"localhost:{self.server.server_port}"
        serving = threading.Thread(target=self.server.serve_forever)
        serving.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(serving.join)
        self.addCleanup(self.server.shutdown)

    def ask(self, tag, repository="owner/gate", password=PASSWORD):
        secrets = {"REGISTRY_USER": USER, "REGISTRY_TOKEN": password}
        trusted = {"CURL_CA_BUNDLE": str(self.authority.folder / "ca.crt")}
        command = [REPOSITORY / ".image" / "unpublished", f"{self.host}/{repository}", tag]
        return subprocess.run(command, env={**os.environ, **secrets, **trusted}, capture_output=True, text=True, check=False)

    def test_a_version_that_is_missing_may_be_pushed(self):
        asked = self.ask("1.2.4")
        self.assertEqual((asked.returncode, asked.stderr), (0, ""))

    def test_a_version_that_is_there_may_not(self):
        asked = self.ask("1.2.3")
        self.assertEqual((asked.returncode, asked.stderr), (1, f"{self.host}/owner/gate:1.2.3 is published already\n"))

    def test_the_owner_s_capitals_are_not_the_registry_s(self):
        asked = self.ask("1.2.3", repository="Owner/gate")
        self.assertEqual((asked.returncode, asked.stderr), (1, f"{self.host}/owner/gate:1.2.3 is published already\n"))

    def test_a_registry_that_fails_has_not_said_no(self):
        self.handler.broken = True
        asked = self.ask("1.2.4")
        self.assertEqual((asked.returncode, asked.stderr), (1, f"{self.host}/owner/gate:1.2.4: the registry answers 503\n"))

    def test_who_may_not_ask_is_not_told_that_it_is_missing(self):
        asked = self.ask("1.2.4", password="another")
        self.assertNotEqual(asked.returncode, 0)
        self.assertIn("403", asked.stderr)

    def test_a_registry_that_does_not_answer_has_not_said_no(self):
        self.server.shutdown()
        self.server.server_close()
        self.assertNotEqual(self.ask("1.2.4").returncode, 0)


if __name__ == "__main__":
    unittest.main()
