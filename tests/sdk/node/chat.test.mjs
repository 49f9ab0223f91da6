import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { bothWays, ENGINES, UPSTREAM_KEY } from "./support.mjs";

const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "one two three four" }];
const WORDS = ["You ", "said: ", "one ", "two ", "three ", "four"];
const TOOLS = ["list_directory", "count_files"].map((name) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties: { path: { type: "string" } } } },
}));

bothWays((way) => {
  test("a chat completion is answered", async () => {
    const answer = await way.client.chat.completions.create({ model, messages });
    assert.equal(answer.choices[0].message.content, WORDS.join(""));
    assert.equal(answer._request_id, (await way.upstream.last()).request_id);
  });

  test("a stream arrives whole, with its usage last", async () => {
    const chunks = [];
    const asked = { model, messages, stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await way.client.chat.completions.create(asked)) chunks.push(chunk);
    assert.deepEqual(contents(chunks), WORDS);
    assert.equal(chunks.at(-1).usage.total_tokens, 20);
  });

  test("each word arrives before the next is said", async () => {
    const gated = `gated-${randomUUID()}`;
    const arrived = [];
    for await (const chunk of await way.client.chat.completions.create({ model: gated, messages, stream: true })) {
      const words = contents([chunk]);
      arrived.push(...words);
      if (words.length > 0) await way.upstream.go(gated);
    }
    assert.deepEqual(arrived, WORDS);
  });

  test("a client that leaves is noticed by the upstream", async () => {
    const gated = `gated-${randomUUID()}`;
    for await (const _ of await way.client.chat.completions.create({ model: gated, messages, stream: true })) break;
    assert.equal(await way.upstream.clientIsGone(gated), true);
  });

  test("tool calls come back, and their results go up", async () => {
    const answer = await way.client.chat.completions.create({ model, messages, tools: TOOLS });
    const { message } = answer.choices[0];
    assert.equal(message.content, null);
    assert.deepEqual(message.tool_calls.map((call) => JSON.parse(call.function.arguments)), [{ path: "." }, { path: "." }]);
    const results = message.tool_calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: `result of ${id}` }));
    const last = await way.client.chat.completions.create({ model, messages: [...messages, message, ...results], tools: TOOLS });
    assert.equal(last.choices[0].message.content, "You said: result of call_1");
  });

  test("parallel tool calls are put together from a stream", async () => {
    const completion = await way.client.chat.completions.stream({ model, messages, tools: TOOLS }).finalChatCompletion();
    const calls = completion.choices[0].message.tool_calls;
    assert.deepEqual(calls.map((call) => call.function.name), ["list_directory", "count_files"]);
    assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments)), [{ path: "." }, { path: "." }]);
  });

  test("pictures go up unchanged", async () => {
    const content = [
      { type: "text", text: "What's in this image?" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${"iVBORw0KGgo+/".repeat(10_000)}` } },
    ];
    const answer = await way.client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content }] });
    assert.equal(answer.choices[0].message.content, "You said: What's in this image? [image_url]");
    assert.deepEqual((await way.upstream.last()).json().messages[0].content, content);
  });

  test("default headers and queries reach the upstream", async () => {
    const defaultHeaders = { "X-Organization": "your-org-id", "X-Environment": "production" };
    const client = way.make({ defaultHeaders, defaultQuery: { "api-version": "2024-10-21" } });
    await client.chat.completions.create({ model, messages });
    const { headers, path } = await way.upstream.last();
    assert.equal(headers["x-organization"], "your-org-id");
    assert.equal(headers["x-environment"], "production");
    assert.equal(path, "/v1/chat/completions?api-version=2024-10-21");
  });

  test("the upstream's headers come back", async () => {
    const { response } = await way.client.chat.completions.create({ model, messages }).withResponse();
    assert.equal(response.headers.get("x-request-id"), (await way.upstream.last()).request_id);
    assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "4999");
  });

  test("thirty calls at once each get their own answer", async () => {
    const numbers = Array.from({ length: 30 }, (_, number) => number);
    const answers = await Promise.all(
      numbers.map((number) => way.client.chat.completions.create({ model, messages: [{ role: "user", content: `${number}` }] })),
    );
    assert.deepEqual(answers.map((answer) => answer.choices[0].message.content), numbers.map((number) => `You said: ${number}`));
  });
});

bothWays(
  (way) => {
    test("the body and the answer are the same bytes both ways, whole and streamed", async () => {
      for (const stream of [false, true]) {
        const asked = { model, messages, stream, x_unknown: { text: "ü\u2028\t\"", tiny: 1e-320 } };
        const answers = [];
        for (const client of [way.direct(), way.client]) {
          const response = await client.chat.completions.create(asked).asResponse();
          answers.push(Buffer.from(await response.arrayBuffer()).toString("latin1"));
        }
        const [direct, through] = await way.upstream.lastMany(2);
        assert.deepEqual(through.body, direct.body);
        assert.equal(through.path, direct.path);
        assert.equal(answers[1], answers[0]);
      }
    });

    test("a provider prefix is all that is taken from the body", async () => {
      await way.direct().chat.completions.create({ model, messages, note: "openai/gpt-4o-mini" });
      await way.client.chat.completions.create({ model: "openai/gpt-4o-mini", messages, note: "openai/gpt-4o-mini" });
      const [bare, prefixed] = await way.upstream.lastMany(2);
      assert.deepEqual(prefixed.body, bare.body);
    });

    test("each form of base URL calls the same endpoint", async () => {
      for (const mount of ["/openai", "/openai/", "/openai/v1", "/openai/v1/", "/v1", "/v1/"]) {
        const client = way.make({ baseURL: way.gateway.url + mount });
        assert.equal((await client.chat.completions.create({ model, messages })).choices[0].message.content, WORDS.join(""));
        assert.equal((await way.upstream.last()).path, "/v1/chat/completions");
      }
    });

    test("the gateway's key is sent, and it tells where the call went", async () => {
      const asked = { model: "openai/gpt-4o-mini", messages };
      const { response } = await way.client.chat.completions.create(asked).withResponse();
      assert.equal((await way.upstream.last()).headers.authorization, `Bearer ${UPSTREAM_KEY}`);
      assert.equal(response.headers.get("x-bifrost-provider"), "openai");
      assert.equal(response.headers.get("x-bifrost-resolved-model"), "gpt-4o-mini");
      assert.ok(response.headers.get("x-bifrost-request-id"));
    });
  },
  { ways: ENGINES },
);

function contents(chunks) {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean);
}

