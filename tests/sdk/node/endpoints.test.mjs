import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";
import { bothWays } from "./support.mjs";

const NOISE = randomBytes(2_000_000);
const sha = (data) => createHash("sha256").update(data).digest("hex");

bothWays((way) => {
  test("embeddings are the same numbers in both encodings", async () => {
    const asked = { model: "text-embedding-3-small", input: ["left", "right"] };
    const decoded = await way.client.embeddings.create(asked);
    const plain = await way.client.embeddings.create({ ...asked, encoding_format: "float" });
    assert.equal(decoded.data[0].embedding.length, 8);
    assert.deepEqual(decoded.data.map((entry) => [...entry.embedding]), plain.data.map((entry) => entry.embedding));
  });

  test("a legacy completion is answered and streamed", async () => {
    const asked = { model: "gpt-3.5-turbo-instruct", prompt: "Once upon" };
    assert.equal((await way.client.completions.create(asked)).choices[0].text, "Once upon and so on");
    let text = "";
    for await (const chunk of await way.client.completions.create({ ...asked, stream: true })) text += chunk.choices[0].text;
    assert.equal(text, "Once upon and so on");
  });

  test("models are listed and found", async () => {
    const listed = [];
    for await (const entry of way.client.models.list()) listed.push(entry.id);
    assert.deepEqual(listed, ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "whisper-1"]);
    assert.equal((await way.client.models.retrieve("gpt-4o")).owned_by, "openai");
    await assert.rejects(way.client.models.retrieve("gpt-none"), OpenAI.NotFoundError);
  });

  test("a file goes up and comes back unchanged", async () => {
    const created = await way.client.files.create({ file: await toFile(NOISE, "noise.jsonl"), purpose: "batch" });
    assert.equal(created.bytes, NOISE.length);
    const content = await way.client.files.content(created.id);
    assert.equal(content.headers.get("content-type"), "application/octet-stream");
    assert.equal(sha(Buffer.from(await content.arrayBuffer())), sha(NOISE));
    assert.equal((await way.client.files.delete(created.id)).deleted, true);
  });

  test("a recording is transcribed", async () => {
    const answer = await way.client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(NOISE, "talk.mp3") });
    assert.equal(answer.text, `talk.mp3: ${NOISE.length} bytes, ${sha(NOISE)}, by whisper-1`);
  });

  test("speech comes back as bytes", async () => {
    const speech = await way.client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "hello" });
    const expected = Buffer.concat(Array(400).fill(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))));
    assert.equal(sha(Buffer.from(await speech.arrayBuffer())), sha(expected));
  });

  test("images are made and changed", async () => {
    const made = await way.client.images.generate({ model: "gpt-image-1", prompt: "a cat" });
    assert.match(Buffer.from(made.data[0].b64_json, "base64").toString(), /^a cat/);
    const image = await toFile(Buffer.from("meow"), "cat.png", { type: "image/png" });
    const changed = await way.client.images.edit({ model: "gpt-image-1", prompt: "a hat", image });
    assert.match(Buffer.from(changed.data[0].b64_json, "base64").toString(), /^a hat/);
  });

  test("a response is answered and streamed", async () => {
    const asked = { model: "gpt-4o", input: "tell me" };
    assert.equal((await way.client.responses.create(asked)).output_text, "You said: tell me");
    const events = [];
    for await (const event of await way.client.responses.create({ ...asked, stream: true })) events.push(event);
    const text = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
    assert.equal(text.join(""), "You said: tell me");
    assert.equal(events.at(-1).type, "response.completed");
  });

  test("stored objects are created, listed, changed and deleted", async () => {
    const { client, upstream } = way;
    assert.equal((await client.moderations.create({ input: "be nice" })).results[0].flagged, false);
    assert.equal((await client.batches.list({ limit: 2 })).data.length, 1);
    const upload = await client.uploads.create({ filename: "a", bytes: 1, mime_type: "text/plain", purpose: "batch" });
    const part = await client.uploads.parts.create(upload.id, { data: await toFile(Buffer.from([0, 255]), "part") });
    assert.equal(part.received.sha256, sha(Buffer.from([0, 255])));
    assert.equal((await client.uploads.complete(upload.id, { part_ids: [part.id] })).id, upload.id);
    const store = await client.vectorStores.create({ name: "störe" });
    assert.equal(store.name, "störe");
    assert.equal((await client.vectorStores.delete(store.id)).deleted, true);
    assert.equal((await upstream.last()).method, "DELETE");
    assert.equal((await client.fineTuning.jobs.list({ limit: 1 })).data.length, 1);
    assert.equal((await upstream.last()).path, "/v1/fine_tuning/jobs?limit=1");
    assert.ok((await client.conversations.create({ metadata: { topic: "x" } })).id);
  });
});
