"""A webhook receiver. It checks the signature of each request, prints the first event that is genuine, and stops.

Usage: python receiver.py PORT SECRET
"""

import base64
import hashlib
import hmac
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


def is_genuine(secret, headers, body):  # body: the bytes as they were received
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, signature) for signature in headers["webhook-signature"].split())


class Receiver(BaseHTTPRequestHandler):
    secret = ""
    event = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        genuine = is_genuine(self.secret, self.headers, body)
        if genuine:
            Receiver.event = json.loads(body)
        self.send_response(204 if genuine else 401)
        self.end_headers()

    def log_message(self, *values):
        """Print no access log."""


if __name__ == "__main__":
    port, Receiver.secret = int(sys.argv[1]), sys.argv[2]
    server = HTTPServer(("127.0.0.1", port), Receiver)
    while Receiver.event is None:
        server.handle_request()
    print("received", Receiver.event["type"], Receiver.event["id"])
