"""A server that answers as it is told, to see what a client makes of it."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def fake_server(answer):
    """Yields an address; `answer` gets (method, path, body), gives (status, bytes).

    A third element of the answer, if any, is a dictionary of headers; None closes the
    connection without a reply.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length", 0))
            result = answer(self.command, self.path, self.rfile.read(length))
            if result is None:
                return
            status, content, *headers = result
            self.send_response(status)
            for name, value in (headers[0] if headers else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  (the name that the library looks for)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
