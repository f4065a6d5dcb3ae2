// One instance of an application that remembers what it has done: node app.js PORT FOLDER NUMBER KEEPALIVE_MS
const fs = require("fs"), http = require("http");
const [port, folder, number, keepAlive] = process.argv.slice(2);
const record = fs.openSync(`${folder}/done-${number}`, "a");
const is = (mode) => fs.existsSync(`${folder}/${mode}-${number}`);

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://app");
  request.resume();
  request.on("end", () => {
    if (url.pathname === "/up") return response.writeHead(is("busy") ? 503 : 200).end();
    const id = url.searchParams.get("id");
    setTimeout(() => {
      if (is("busy")) return response.writeHead(503, { "Content-Length": 0 }).end();
      fs.writeSync(record, `${request.method} ${id}\n`);
      const body = Buffer.alloc(2000, id + ".");
      const shape = url.searchParams.get("cut");
      if (!shape) return response.writeHead(200, { "Content-Length": body.length }).end(body);
      const heads = { length: { "Content-Length": body.length }, chunked: {}, close: { Connection: "close" } };
      if (shape === "close") {
        // Without a length the end of the connection is the end of the body, so only a reset can tell.
        request.socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body.subarray(0, 900));
        return setTimeout(() => request.socket.resetAndDestroy(), 5);
      }
      response.writeHead(200, heads[shape]);
      response.write(body.subarray(0, 900), () => request.socket.destroy());
    }, is("slow") ? 800 : 10);
  });
});
server.keepAliveTimeout = Number(keepAlive);
server.listen(Number(port), "127.0.0.1");
