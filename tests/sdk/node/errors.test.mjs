import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import OpenAI from "openai";
import { bothWays, ENGINES } from "./support.mjs";

const messages = [{ role: "user", content: "Hello!" }];
const EXCEPTIONS = {
  400: OpenAI.BadRequestError,
  401: OpenAI.AuthenticationError,
  403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError,
  409: OpenAI.ConflictError,
  422: OpenAI.UnprocessableEntityError,
  429: OpenAI.RateLimitError,
  500: OpenAI.InternalServerError,
  503: OpenAI.InternalServerError,
};

bothWays((way) => {
  const ask = (model, asked = {}, options = {}) => way.client.chat.completions.create({ model, messages, ...asked }, options);

  for (const [status, exception] of Object.entries(EXCEPTIONS)) {
    for (const stream of [false, true]) {
      test(`an upstream's ${status} is raised as its exception, ${stream ? "streamed" : "whole"}`, async () => {
        const error = await raisedBy(() => ask(`fail-${status}`, { stream }));
        assert.ok(error instanceof exception, `${error}`);
        assert.equal(error.status, Number(status));
        assert.equal(error.error.message, `The upstream says ${status}.`);
        assert.equal(error.requestID, (await way.upstream.last()).request_id);
      });
    }
  }

  test("a small timeout is the client library's timeout", async () => {
    const model = `slow-${randomUUID()}`;
    const error = await raisedBy(() => ask(model, {}, { timeout: 500 }));
    assert.ok(error instanceof OpenAI.APIConnectionTimeoutError, `${error}`);
    assert.equal(await way.upstream.clientIsGone(model), true);
  });

  test("a stream cut by the upstream is an error and no end", async () => {
    const arrived = [];
    const error = await raisedBy(async () => {
      for await (const chunk of await ask("fail-midstream", { stream: true })) arrived.push(chunk);
    });
    assert.equal(arrived.length, 2);
    if (way.throughGateway) assert.ok(error instanceof OpenAI.APIError, `${error}`);
  });

  test("an answer cut in the middle is an error", async () => {
    await assert.rejects(ask("fail-midstream"));
  });
});

bothWays(
  (way) => {
    const ask = (model, asked = {}) => way.client.chat.completions.create({ model, messages, ...asked });

    test("a provider that is not configured is model_not_found", async () => {
      for (const model of ["anthropic/claude-3-sonnet-20240229", "vertex/gemini-pro"]) {
        const error = await raisedBy(() => ask(model));
        assert.ok(error instanceof OpenAI.NotFoundError, `${error}`);
        assert.equal(error.code, "model_not_found");
      }
    });

    test("an unknown prefix is part of the model name", async () => {
      assert.equal((await ask("meta-llama/Llama-3")).model, "meta-llama/Llama-3");
    });

    test("a call without a model is a bad request", async () => {
      assert.ok((await raisedBy(() => way.client.chat.completions.create({ messages }))) instanceof OpenAI.BadRequestError);
    });

    test("an upstream that never answers is a gateway timeout", async () => {
      const model = `slow-${randomUUID()}`;
      const error = await raisedBy(() => ask(`impatient/${model}`));
      assert.ok(error instanceof OpenAI.InternalServerError, `${error}`);
      assert.equal(error.status, 504);
      assert.equal(await way.upstream.clientIsGone(model), true);
    });

    test("a stream that falls silent is ended by an error", async () => {
      const error = await raisedBy(async () => {
        for await (const _ of await ask(`impatient/hang-midstream-${randomUUID()}`, { stream: true }));
      });
      assert.ok(error instanceof OpenAI.APIError, `${error}`);
    });
  },
  { ways: ENGINES },
);

async function raisedBy(action) {
  try {
    await action();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was raised");
}
