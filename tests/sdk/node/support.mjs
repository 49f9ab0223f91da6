// Starts the test upstream and the gateway for one test file, and describes the file's tests once per way to the upstream.

import { spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import OpenAI from "openai";

const SUITE = required("BIFROST_SDK_SUITE");
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const CALL_MS_MAX = 15_000;
const TEST_MS_MAX = 90_000;

export const ENGINES = (process.env.BIFROST_TEST_IO ?? "epoll,io-uring").split(",");
export const CLIENT_KEY = "sk-of-the-client";
export const UPSTREAM_KEY = "sk-of-the-gateway-0123456789abcdef";

/** Runs `tests(way)` straight to the upstream and through the gateway on each engine. */
export function bothWays(tests, { ways = ["direct", ...ENGINES], configure = suiteConfig } = {}) {
  for (const name of ways) {
    describe(name, { timeout: TEST_MS_MAX }, () => {
      const way = new Way(name);
      before(() => way.open(configure));
      after(() => way.close());
      tests(way);
    });
  }
}

class Way {
  constructor(name) {
    this.name = name;
    this.throughGateway = name !== "direct";
  }

  async open(configure) {
    this.folder = await mkdtemp(join(tmpdir(), "bifrost-sdk-"));
    this.upstream = new Upstream(await Server.start(required("BIFROST_SDK_PYTHON"), [join(SUITE, "upstream.py")], this.folder, "upstream"));
    if (this.throughGateway) {
      const { config, environment } = await configure(this.upstream.url);
      await writeFile(join(this.folder, "config.json"), config);
      const settings = ["--config", join(this.folder, "config.json"), "--app-dir", this.folder];
      const listening = ["--host", "127.0.0.1", "--port", "0", "--shards", "2", "--io", this.name];
      this.gateway = await Server.start(required("BIFROST_BIN"), [...settings, ...listening], this.folder, "gateway", environment);
    }
    this.client = this.make();
  }

  get baseURL() {
    return this.throughGateway ? `${this.gateway.url}/openai` : `${this.upstream.url}/v1`;
  }

  make(settings = {}) {
    return new OpenAI({ baseURL: this.baseURL, apiKey: CLIENT_KEY, maxRetries: 0, timeout: 30_000, ...settings });
  }

  direct(settings = {}) {
    return this.make({ baseURL: `${this.upstream.url}/v1`, ...settings });
  }

  async close() {
    const code = await this.gateway?.stop();
    await this.upstream?.server.stop();
    if (this.gateway && code !== 0) {
      throw new Error(`the gateway ended with ${code}:\n${await this.gateway.said()}`);
    }
    await rm(this.folder, { recursive: true });
  }
}

/** A process whose first URL on stdout is its address; ended by its id. */
class Server {
  static async start(program, parameters, folder, name, environment = {}) {
    const server = new Server();
    server.log = join(folder, `${name}.log`);
    const log = await open(server.log, "w");
    const { PATH, HOME } = process.env;
    const options = { cwd: folder, env: { PATH, HOME, ...environment }, stdio: ["pipe", "pipe", log.fd] };
    server.process = spawn(program, parameters, options);
    server.ended = new Promise((resolve) => server.process.once("close", resolve));
    process.once("exit", () => server.process.kill("SIGKILL"));
    try {
      server.url = await within(START_MS_MAX, server.address(), () => `${program} printed no address`);
    } catch (error) {
      server.process.kill("SIGKILL");
      throw new Error(`${error.message}; stderr:\n${await server.said()}`);
    } finally {
      await log.close();
    }
    return server;
  }

  address() {
    return new Promise((resolve, reject) => {
      let said = "";
      this.process.once("error", reject);
      this.process.once("close", (code) => reject(new Error(`ended with ${code} before it said an address but ${said}`)));
      this.process.stdout.on("data", (data) => {
        said += data;
        const found = said.match(/(http:\/\/[^\s"]+)\s/);
        if (found) resolve(found[1].replace(/\/$/, ""));
      });
    });
  }

  async said() {
    return (await readFile(this.log, "utf8")).slice(-8000);
  }

  stop() {
    this.process.kill("SIGTERM");
    return within(STOP_MS_MAX, this.ended, () => `process ${this.process.pid} did not end`).catch((error) => {
      this.process.kill("SIGKILL");
      throw error;
    });
  }
}

/** The test upstream and what tests say to it beside the API. */
class Upstream {
  constructor(server) {
    this.server = server;
    this.url = server.url;
  }

  async last() {
    return (await this.lastMany(1))[0];
  }

  async lastMany(count) {
    const seen = await this.ask("GET", `/__last?n=${count}`);
    return seen.map(({ headers, body, ...rest }) => ({
      ...rest,
      headers: Object.fromEntries(headers),
      body: Buffer.from(body, "base64"),
      json: () => JSON.parse(Buffer.from(body, "base64").toString()),
    }));
  }

  go(model) {
    return this.ask("POST", `/__go/${model}`);
  }

  async clientIsGone(model) {
    return (await this.ask("GET", `/__gone/${model}`)).gone;
  }

  async ask(method, path) {
    const answer = await fetch(this.url + path, { method, signal: AbortSignal.timeout(CALL_MS_MAX) });
    return answer.json();
  }
}

function suiteConfig(upstreamUrl) {
  const keys = [{ name: "only", value: "env.SUITE_KEY", models: ["*"], weight: 1 }];
  const impatience = { default_request_timeout_in_seconds: 1, stream_idle_timeout_in_seconds: 5 };
  const providers = {
    openai: { keys, network_config: { base_url: upstreamUrl } },
    impatient: {
      keys,
      network_config: { base_url: upstreamUrl, ...impatience },
      custom_provider_config: { base_provider_type: "openai" },
    },
  };
  return { config: JSON.stringify({ providers }), environment: { SUITE_KEY: UPSTREAM_KEY } };
}

async function within(milliseconds, promise, describeFailure) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${describeFailure()} within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; \`cargo test --test sdk\` sets it`);
  return value;
}
