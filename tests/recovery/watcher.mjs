// An independent client of streams, in another language and without any library: the WebSocket's handshake and frames,
// and the event stream's lines, are made here by hand from the RFCs and the HTML standard.
//
//   WATCHER_TOKEN=… node watcher.mjs ws|sse http://host:port
//
// Reads names of streams from standard input, one a line, and watches each to its end, through whatever happens to the
// connection. Writes a line for each event as it comes: stream, sequence, id, with spaces; and one, `end <stream>`, at
// the end of a stream. Nothing is put in order, and nothing that comes twice is dropped: it is to be seen. When standard
// input ends it writes `told` with how often what happened, as JSON, and stops.

import crypto from "node:crypto";
import http from "node:http";
import readline from "node:readline";

const [kind, address] = process.argv.slice(2);
const authorization = { Authorization: `Bearer ${process.env.WATCHER_TOKEN}` };
const SILENCE = 25_000; // ms: longer than the heartbeat of an event stream
const PING = 5_000;
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const told = {};

const count = (what) => (told[what] = (told[what] ?? 0) + 1);
const say = (...words) => process.stdout.write(words.join(" ") + "\n");
const again = () => 100 + Math.random() * 700;

function take(stream, event) {
  say(stream, event.sequence, event.id);
  return event.sequence;
}

// --- WebSocket (RFC 6455) --------------------------------------------------------------------------------------------

class Socket {
  constructor() {
    this.cursors = new Map(); // of the streams that have not ended
    this.socket = null;
    this.connect();
    setInterval(() => this.socket && this.send({ type: "ping" }), PING);
  }

  watch(stream) {
    this.cursors.set(stream, 0);
    if (this.socket) this.subscribe(stream);
  }

  subscribe(stream) {
    this.send({ type: "subscribe", stream, after: this.cursors.get(stream) });
  }

  connect() {
    count("connections");
    const key = crypto.randomBytes(16).toString("base64");
    const headers = { ...authorization, Connection: "Upgrade", Upgrade: "websocket" };
    Object.assign(headers, { "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13" });
    const request = http.request(`${address}/ws/`, { headers, agent: false, timeout: SILENCE });
    const lost = this.loser();
    request.on("error", lost);
    request.on("timeout", () => request.destroy());
    request.on("response", (response) => {
      count(`status ${response.statusCode}`);
      response.destroy();
      lost();
    });
    request.on("upgrade", (response, socket, head) => {
      const accept = crypto.createHash("sha1").update(key + GUID).digest("base64");
      if (response.headers["sec-websocket-accept"] !== accept) throw new Error("a wrong Sec-WebSocket-Accept");
      this.opened(socket, head, lost);
    });
    request.end();
  }

  /** Returns what is called when the connection is lost, for whatever reasons at once. */
  loser() {
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.socket = null;
      setTimeout(() => this.connect(), again());
    };
  }

  opened(socket, head, lost) {
    this.socket = socket;
    this.received = Buffer.alloc(0);
    this.message = [];
    socket.setNoDelay(true);
    socket.setTimeout(SILENCE, () => socket.destroy());
    socket.on("error", () => count("errors"));
    socket.on("close", lost);
    socket.on("data", (data) => this.socket === socket && this.feed(data));
    for (const stream of this.cursors.keys()) this.subscribe(stream);
    if (head.length) this.feed(head);
  }

  send(frame) {
    this.write(0x1, Buffer.from(JSON.stringify(frame)));
  }

  write(opcode, payload) {
    const long = payload.length > 125;
    const header = Buffer.alloc(long ? 8 : 6);
    header[0] = 0x80 | opcode;
    header[1] = 0x80 | (long ? 126 : payload.length);
    if (long) header.writeUInt16BE(payload.length, 2);
    const mask = crypto.randomBytes(4);
    mask.copy(header, header.length - 4);
    this.socket?.write(Buffer.concat([header, payload.map((byte, index) => byte ^ mask[index % 4])]));
  }

  feed(data) {
    this.received = Buffer.concat([this.received, data]);
    for (let size; (size = this.frame()); ) this.received = this.received.subarray(size);
  }

  /** Takes a frame if it is there as a whole. Returns its size, else 0. */
  frame() {
    const bytes = this.received;
    if (bytes.length < 2) return 0;
    if (bytes[0] & 0x70 || bytes[1] & 0x80) throw new Error("a frame that no server may send");
    let length = bytes[1] & 0x7f;
    let start = 2;
    if (length >= 126) {
      start = length === 126 ? 4 : 10;
      if (bytes.length < start) return 0;
      length = start === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    }
    if (bytes.length < start + length) return 0;
    this.do(bytes[0] & 0x0f, Boolean(bytes[0] & 0x80), bytes.subarray(start, start + length));
    return start + length;
  }

  do(opcode, last, payload) {
    if (opcode === 0x8) {
      count(`close ${payload.length >= 2 ? payload.readUInt16BE(0) : "without a code"}`);
      this.write(0x8, payload);
      this.socket.end();
    } else if (opcode === 0x9) {
      this.write(0xa, payload);
    } else if (opcode <= 0x1) {
      this.message.push(payload);
      if (!last) return;
      const text = Buffer.concat(this.message).toString();
      this.message = [];
      this.read(JSON.parse(text));
    } else if (opcode !== 0xa) {
      throw new Error(`opcode ${opcode}`);
    }
  }

  read(frame) {
    if (frame.type === "events") {
      for (const event of frame.events) this.cursors.set(frame.stream, take(frame.stream, event));
    } else if (frame.type === "end") {
      this.cursors.delete(frame.stream);
      say("end", frame.stream);
    } else if (!["subscribed", "pong"].includes(frame.type)) {
      count(frame.type === "error" ? `error ${frame.code}` : frame.type);
    }
  }
}

// --- Server-sent events ----------------------------------------------------------------------------------------------

class Lines {
  watch(stream, last = "") {
    count("connections");
    const headers = { ...authorization, Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
    const path = `/api/executions/${stream.replace("execution:", "")}/stream/`;
    const request = http.get(address + path, { headers, agent: false, timeout: SILENCE });
    let over = false;
    let text = "";
    const lost = () => {
      if (!over) setTimeout(() => this.watch(stream, last), again());
      over = true;
    };
    const end = () => {
      over = true;
      say("end", stream);
      request.destroy();
    };
    request.on("error", lost);
    request.on("timeout", () => request.destroy());
    request.on("response", (response) => {
      response.on("error", () => count("errors"));
      response.on("close", lost);
      if (response.statusCode === 204) return end();
      if (response.statusCode !== 200) {
        count(`status ${response.statusCode}`);
        return response.resume();
      }
      response.setEncoding("utf8");
      response.on("data", (piece) => {
        const messages = (text + piece).split("\n\n");
        text = messages.pop();
        for (const message of over ? [] : messages) {
          const fields = Object.fromEntries(message.split("\n").map((line) => line.split(/: (.*)/s)));
          if (fields.event === "end") return end();
          if (fields.event) count(fields.event);
          else if (fields.data) take(stream, JSON.parse(fields.data));
          last = fields.id ?? last;
        }
      });
    });
  }
}

const client = kind === "ws" ? new Socket() : new Lines();
const input = readline.createInterface({ input: process.stdin });
input.on("line", (stream) => client.watch(stream));
input.on("close", () => process.stdout.write(`told ${JSON.stringify(told)}\n`, () => process.exit(0)));
