// Anthropic's SDK and the AI SDK, answered by vendors of other dialects.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { CLIENT_KEY, UPSTREAM_KEY, bothWays, ENGINES } from "./support.mjs";
import { startVendors, vendorConfig } from "./vendors.mjs";

const ANSWER = "Hello there, friend \u{1f600}.";
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const MODELS = { openai: "openai/gpt-4o", anthropic: "anthropic/claude-sonnet-4-5", gemini: "gemini/gemini-2.5-flash" };
// Only OpenAI keeps what was said, so that later requests can name it.
const STATELESS = { openai: { store: false } };
const WEATHER = z.object({ city: z.string(), days: z.number().int() });

let vendors;
before(async () => {
  vendors = await startVendors();
});
after(() => vendors.stop());

function configure() {
  return { config: JSON.stringify(vendorConfig(vendors.url)), environment: { SUITE_KEY: UPSTREAM_KEY } };
}

bothWays(
  (way) => {
    for (const vendor of ["openai", "gemini"]) {
      const model = MODELS[vendor];
      const client = () => new Anthropic({ baseURL: `${way.gateway.url}/anthropic`, apiKey: CLIENT_KEY, maxRetries: 0 });
      const asking = (content, more = {}) => ({ model, max_tokens: 100, messages: [{ role: "user", content }], ...more });

      test(`Anthropic's SDK gets a text from ${vendor}, whole and streamed`, async () => {
        const message = await client().messages.create(asking("hello"));
        assert.equal(message.content[0].text, ANSWER);
        const pieces = [];
        const stream = client().messages.stream(asking("hello")).on("text", (piece) => pieces.push(piece));
        const streamed = await stream.finalMessage();
        assert.ok(pieces.length > 1);
        assert.equal(pieces.join(""), ANSWER);
        assert.deepEqual([streamed.stop_reason, streamed.usage.output_tokens], ["end_turn", 5]);
      });

      test(`Anthropic's SDK gets calls of tools from ${vendor}`, async () => {
        const tools = [{ name: "get_weather", input_schema: { type: "object", properties: { city: { type: "string" } } } }];
        const message = await client().messages.stream(asking("weather in two cities", { tools })).finalMessage();
        const calls = message.content.filter((block) => block.type === "tool_use");
        assert.deepEqual(calls.map((call) => call.input), [{ city: "Oslo", days: 2 }, { city: "Rome", days: 1 }]);
        assert.equal(message.stop_reason, "tool_use");
      });

      test(`Anthropic's SDK raises its own errors for those of ${vendor}`, async () => {
        await assert.rejects(client().messages.create(asking("slow down")), Anthropic.RateLimitError);
        await assert.rejects(client().messages.create(asking("wrong")), Anthropic.BadRequestError);
        await assert.rejects(client().messages.stream(asking("break off")).finalMessage(), Anthropic.APIError);
      });
    }

    const anthropic = () => createAnthropic({ baseURL: `${way.gateway.url}/anthropic/v1`, apiKey: CLIENT_KEY });
    const openai = () => createOpenAI({ baseURL: `${way.gateway.url}/openai/v1`, apiKey: CLIENT_KEY });
    const pairs = [
      ["its provider of OpenAI (chat)", (name) => openai().chat(name), ["anthropic", "gemini"]],
      ["its provider of OpenAI (responses)", (name) => openai().responses(name), ["anthropic", "gemini"], STATELESS],
      ["its provider of Anthropic", (name) => anthropic()(name), ["openai", "gemini"]],
    ];
    for (const [speaks, provider, others, providerOptions] of pairs) {
      for (const vendor of others) {
        const settings = () => ({ model: provider(MODELS[vendor]), maxRetries: 0, maxOutputTokens: 100, providerOptions });
        const ask = (prompt, more = {}) => ({ ...settings(), prompt, ...more });

        test(`the AI SDK with ${speaks} gets a text from ${vendor}, whole and streamed`, async () => {
          const answer = await generateText(ask("hello"));
          assert.deepEqual([answer.text, answer.finishReason], [ANSWER, "stop"]);
          assert.deepEqual([answer.usage.inputTokens, answer.usage.outputTokens], [11, 5]);
          const stream = streamText(ask("hello", { onError() {} }));
          const pieces = [];
          for await (const piece of stream.textStream) pieces.push(piece);
          assert.ok(pieces.length > 1);
          assert.equal(pieces.join(""), ANSWER);
          assert.equal(await stream.finishReason, "stop");
        });

        test(`the AI SDK with ${speaks} lets ${vendor} call its tools`, async () => {
          const execute = async ({ city, days }) => `${city}: ${days} degrees`;
          const tools = { get_weather: tool({ description: "Tells the weather", inputSchema: WEATHER, execute }) };
          const more = { tools, stopWhen: stepCountIs(3) };
          const answer = await generateText(ask("weather in two cities", more));
          assert.match(answer.text, /^(Cold|It is cold) in Oslo/);
          const told = vendors.last().body;
          assert.ok(told.includes("Oslo: 2 degrees") && told.includes("Rome: 1 degrees"), told);
          const stream = streamText(ask("weather in two cities", more));
          assert.match((await stream.steps).at(-1).text, /^(Cold|It is cold) in Oslo/);
        });

        test(`the AI SDK with ${speaks} shows ${vendor} an image`, async () => {
          const content = [{ type: "text", text: "picture" }, { type: "image", image: Buffer.from(PNG, "base64"), mediaType: "image/png" }];
          const answer = await generateText({ ...settings(), messages: [{ role: "user", content }] });
          assert.equal(answer.text, "A red dot.");
          assert.ok(vendors.last().body.includes(PNG));
        });

        test(`the AI SDK with ${speaks} gets data from ${vendor}`, async () => {
          const answer = await generateText(ask("as data", { output: Output.object({ schema: WEATHER }) }));
          assert.deepEqual(answer.output, { city: "Oslo", days: 2 });
        });

        test(`the AI SDK with ${speaks} raises its own errors for those of ${vendor}`, async () => {
          await assert.rejects(generateText(ask("slow down")), (error) => {
            assert.ok(APICallError.isInstance(error), error);
            assert.equal(error.statusCode, 429);
            assert.match(error.message, /slow down, please/);
            return error.isRetryable;
          });
          const errors = [];
          const stream = streamText(ask("break off", { onError: ({ error }) => errors.push(error) }));
          await stream.consumeStream();
          assert.ok(errors.length > 0);
        });
      }
    }
  },
  { ways: ENGINES, configure },
);
