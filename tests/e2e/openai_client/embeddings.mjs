// node embeddings.mjs URL MODEL: embeddings through the official OpenAI client. Prints a digest of the
// vectors, which is to be the same whichever node is asked.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import OpenAI from "openai";

const [, , url, model] = process.argv;
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "-", maxRetries: 0 });
const embed = (input, more) => client.embeddings.create({ model, input, ...more });
const values = (answer) => answer.data.map((one) => Array.from(one.embedding));
const length = (vector) => Math.hypot(...vector);
const texts = ["The lamp is in the hall.", "What is 27 + 58?", "The lamp is in the hall."];

async function tokens(content) {
  const body = JSON.stringify({ content, add_special: true });
  const reply = await fetch(`${url}/tokenize`, { method: "POST", body });
  return (await reply.json()).tokens;
}

const digest = createHash("sha256");
const checks = {
  async "each input has a vector of length one, in order"() {
    const answer = await embed(texts);
    assert.equal(answer.object, "list");
    assert.equal(answer.model, model);
    assert.deepEqual(answer.data.map((one) => one.index), [0, 1, 2]);
    const vectors = values(answer);
    for (const vector of vectors) {
      assert.equal(vector.length, vectors[0].length);
      assert.ok(Math.abs(length(vector) - 1) < 1e-5);
    }
    assert.deepEqual(vectors[0], vectors[2]);
    assert.notDeepEqual(vectors[0], vectors[1]);
    const counts = await Promise.all(texts.map(async (text) => (await tokens(text)).length));
    const total = counts.reduce((sum, count) => sum + count);
    assert.deepEqual(answer.usage, { prompt_tokens: total, total_tokens: total });
    digest.update(JSON.stringify(vectors));
  },
  async "base64 and floats are the same numbers"() {
    const floats = values(await embed(texts, { encoding_format: "float" }));
    // Without a format the client asks for base64, and decodes it.
    assert.deepEqual(values(await embed(texts)).map((vector) => Float32Array.from(vector)),
                     floats.map((vector) => Float32Array.from(vector)));
    const encoded = await embed(texts[0], { encoding_format: "base64" });
    const bytes = Buffer.from(encoded.data[0].embedding, "base64");
    assert.equal(bytes.length, 4 * floats[0].length);
    assert.equal(bytes.readFloatLE(4), Math.fround(floats[0][1]));
  },
  async "token ids are inputs as texts are"() {
    const [first, second] = [await tokens(texts[0]), await tokens(texts[1])];
    const expected = values(await embed(texts));
    assert.deepEqual(values(await embed(first)), [expected[0]]);
    assert.deepEqual(values(await embed([second, first])), [expected[1], expected[0]]);
  },
  async "fewer dimensions are the first ones at length one"() {
    const [whole] = values(await embed(texts[0]));
    const [cut] = values(await embed(texts[0], { dimensions: 8 }));
    assert.equal(cut.length, 8);
    const scale = length(whole.slice(0, 8));
    cut.forEach((value, d) => assert.ok(Math.abs(value - whole[d] / scale) < 1e-5));
  },
  async "the last token's state is another vector than the mean, but of one token"() {
    const [mean] = values(await embed(texts[0], { pooling: "mean" }));
    const [last] = values(await embed(texts[0], { pooling: "last" }));
    assert.notDeepEqual(mean, last);
    const one = [(await tokens(texts[0]))[1]];
    assert.deepEqual(values(await embed(one, { pooling: "mean" })),
                     values(await embed(one, { pooling: "last" })));
    digest.update(JSON.stringify(last));
  },
  async "many inputs of many lengths give what each gives alone, beside a stream"() {
    const word = (await tokens(texts[0]))[1];
    const inputs = Array.from({ length: 60 }, (_, i) => Array(1 + 7 * i).fill(word));
    const story = client.chat.completions.create({
      model, temperature: 0, max_tokens: 40, messages: [{ role: "user", content: texts[1] }],
    });
    const many = values(await embed(inputs));
    assert.equal(many.length, 60);
    for (const i of [0, 17, 18, 19, 59]) {
      assert.deepEqual(values(await embed(inputs[i])), [many[i]]);
    }
    assert.ok((await story).choices[0].message.content.length > 0);
    digest.update(JSON.stringify(many));
  },
  async "what cannot be given is refused"() {
    const refused = async (promise, words) => {
      await assert.rejects(promise, (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError, String(error));
        assert.match(error.message, words);
        return true;
      });
    };
    await refused(embed(Array(513).fill(1)), /513 tokens.* 512/);
    await refused(embed(""), /input/);
    await refused(embed([]), /input/);
    await refused(embed([1_000_000]), /not in the vocabulary/);
    await refused(embed("a", { dimensions: 100_000 }), /dimensions/);
    await refused(embed("a", { pooling: "cls" }), /pooling/);
    await refused(embed(Array(2049).fill("a")), /2049 inputs/);
    await assert.rejects(client.embeddings.create({ model: "other", input: "a" }),
                         OpenAI.NotFoundError);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok: ${name}`);
}
console.log(`vectors: ${digest.digest("hex")}`);
