"""An upstream that keeps what it was sent, for the check that all proxies do the same work, and for long bodies."""

import os
import socket
import threading

CHUNK = 1 << 18


class Recorder:
    """Listens on a port and on a Unix socket. `GET` is answered with `size` bytes; a request body is read to its end."""

    def __init__(self, port, path, size):
        self.heads = []
        self.size = size
        self.received = 0
        self._path = path
        self._listeners = []
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(("127.0.0.1", port))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(path)
        os.chmod(path, 0o666)
        for listener in (tcp, unix):
            listener.listen(128)
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self):
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        os.unlink(self._path)

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as reader:
                while head := _read_head(reader):
                    self.heads.append(head)
                    self._read_body(reader, head[1])
                    size = self.size if head[0].startswith("GET ") else 0
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % size)
                    block = bytes(min(size, CHUNK))
                    for start in range(0, size, CHUNK):
                        connection.sendall(block[:size - start])
        except OSError:
            pass  # The other side may leave at any time.

    def _read_body(self, reader, fields):
        if "chunked" in fields.get("transfer-encoding", ""):
            while length := int(reader.readline().split(b";")[0], 16):
                self._skip(reader, length)
                reader.readline()
            while reader.readline().strip():
                pass
        else:
            self._skip(reader, int(fields.get("content-length", "0")))

    def _skip(self, reader, length):
        while length:
            got = len(reader.read1(min(length, CHUNK)))
            if not got:
                raise ConnectionError("the body ended early")
            self.received += got
            length -= got


def _read_head(reader):
    """The request line and the fields by lower-case name; lines of one name are joined. None at the end."""
    line = reader.readline().decode("latin-1").strip()
    if not line:
        return None
    fields = {}
    while pair := reader.readline().decode("latin-1").strip():
        name, _, value = pair.partition(":")
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return line, fields
