// The JavaScript of Bifrost's page about its OpenAI integration, with the port and the direct address put in.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import OpenAI from "openai";
import { bothWays, ENGINES } from "./support.mjs";

const KEYS = ["OPENAI_API_KEY_1", "OPENAI_API_KEY_2", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "VERTEX_API_KEY"];
const environment = Object.fromEntries(KEYS.map((name) => [name, `sk-${name}`]));

async function pageConfig(upstreamUrl) {
  const config = await readFile(join(process.env.BIFROST_SDK_SUITE, "page_config.json"), "utf8");
  return { config: config.replaceAll("UPSTREAM", upstreamUrl), environment };
}

bothWays(
  (way) => {
    test("quick migration", async () => {
      const answers = [];
      const port = new URL(way.gateway.url).port;
      for (const baseURL of [`${way.upstream.url}/v1`, `http://localhost:${port}/openai`]) {
        const openai = new OpenAI({ baseURL, apiKey: environment.OPENAI_API_KEY });
        const response = await openai.chat.completions.create({
          model: "gpt-4o-mini",
          messages: [{ role: "user", content: "Hello!" }],
        });
        answers.push(response);
      }
      assert.equal(answers[1].choices[0].message.content, "You said: Hello!");
      assert.deepEqual(answers[1], answers[0]);
    });
  },
  { ways: ENGINES, configure: pageConfig },
);
