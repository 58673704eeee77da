import contextlib
import http.client
import json

import pytest

from gastritis_gan.serving.local_server.http_server import HttpServer
from gastritis_gan.serving.local_server.servables import Servables
from gastritis_gan.serving.tf_serving import ServedModel


@pytest.fixture(scope="session")
def servables(exported):
    loaded = Servables([ServedModel("small", exported.parent, (1,), {"stable": 1})])
    loaded.load("small")
    return loaded


@pytest.fixture(scope="session")
def http_server(servables):
    server = HttpServer(servables, host="127.0.0.1", port=0)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ask(http_server):
    """A function from a request to (status, content type, body)."""

    def ask(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", http_server.port, 60)
        with contextlib.closing(connection):
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type"), response.read()

    return ask
