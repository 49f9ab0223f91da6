// Vendors of several dialects on a free port of 127.0.0.1, by a mock that others wrote; prints its address, ends when stdin ends.
//
// GET /__last answers with the last request as it came: method, path, headers, body.

import http from "node:http";
import { LLMock } from "@copilotkit/aimock";

const usage = {
  prompt_tokens: 11,
  completion_tokens: 5,
  total_tokens: 16,
  input_tokens: 11,
  output_tokens: 5,
  promptTokenCount: 11,
  candidatesTokenCount: 5,
  totalTokenCount: 16,
};

/** A mock with what the tests ask for. */
export async function startVendors() {
  const mock = new LLMock({ port: 0, host: "127.0.0.1", logLevel: "warn", chunkSize: 6 });
  const answers = { content: "Hello there, friend \u{1f600}.", usage };
  mock.onMessage("hello", answers);
  const call = { id: "call_1", name: "get_weather", arguments: '{"city":"Oslo","days":2}' };
  const other = { id: "call_2", name: "get_weather", arguments: '{"city":"Rome","days":1}' };
  mock.on({ userMessage: "weather", toolCallId: "call_2" }, { content: "Cold in Oslo, warm in Rome.", usage });
  mock.on({ userMessage: "weather", hasToolResult: true }, { content: "It is cold in Oslo.", usage });
  mock.on({ userMessage: "weather in two" }, { content: "Let me look.", toolCalls: [call, other], usage });
  mock.on({ userMessage: "weather" }, { toolCalls: [call], usage });
  mock.onMessage("picture", { content: "A red dot.", usage });
  mock.onMessage("as data", { content: '{"city":"Oslo","days":2}', usage });
  mock.onMessage("slow down", { error: { message: "slow down, please", type: "rate_limit_error" }, status: 429, retryAfter: 7 });
  mock.onMessage("wrong", { error: { message: "that was wrong", type: "invalid_request_error" }, status: 400 });
  mock.onMessage("broken", { error: { message: "we are broken", type: "server_error" }, status: 500 });
  mock.onMessage("break off", { content: "this is never whole, since it breaks off", usage }, { truncateAfterChunks: 4 });
  await mock.start();
  return new Recorder(mock).listen();
}

/** Stands before the mock, which forgets what it does not know of a request, and remembers it as it came. */
class Recorder {
  constructor(mock) {
    this.mock = mock;
    this.server = http.createServer((request, response) => this.serve(request, response));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async serve(request, response) {
    if (request.url === "/__last") {
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify(this.seen));
    }
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const { method, url: path, headers } = request;
    this.seen = { method, path, headers, body: body.toString() };
    const onward = http.request(this.mock.url + path, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.on("data", (piece) => response.write(piece));
      answer.on("end", () => response.end());
      answer.on("error", () => response.destroy());
    });
    onward.on("error", () => response.destroy());
    onward.end(body);
  }

  last() {
    return { ...this.seen, json: JSON.parse(this.seen.body) };
  }

  async stop() {
    this.server.close();
    this.server.closeAllConnections();
    await this.mock.stop();
  }
}

/** A configuration with all of them as providers. */
export function vendorConfig(url) {
  const provider = (more = {}) => ({
    keys: [{ name: "only", value: "env.SUITE_KEY", models: ["*"], weight: 1, ...more }],
    network_config: { base_url: url },
  });
  const providers = { openai: provider(), anthropic: provider(), gemini: provider(), cohere: provider() };
  providers.bedrock = provider({ bedrock_key_config: { region: "us-east-1" } });
  return { providers };
}

if (process.argv[1] === import.meta.filename) {
  const vendors = await startVendors();
  console.log(vendors.url + " speaks");
  process.stdin.resume().once("end", () => process.exit());
}
