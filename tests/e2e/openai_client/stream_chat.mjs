// node stream_chat.mjs BASE_URL MODEL PROMPT
//
// Streams a chat completion with the official client, prints its text and usage, asks for the same
// answer in one piece, lists the models, and exits 1 if anything does not fit together.
// BASE_URL is the server's, without /v1. An API key is taken from OPENAI_API_KEY.
import OpenAI from "openai";

const [baseUrl, model, prompt] = process.argv.slice(2);
if (!prompt) {
  console.error("usage: node stream_chat.mjs BASE_URL MODEL PROMPT");
  process.exit(2);
}

function expect(condition, what) {
  if (condition) return;
  console.error(`mismatch: ${what}`);
  process.exit(1);
}

const client = new OpenAI({
  baseURL: `${baseUrl}/v1`,
  apiKey: process.env.OPENAI_API_KEY ?? "none",
  maxRetries: 0,
});
const request = {
  model,
  messages: [{ role: "user", content: prompt }],
  temperature: 0,
  max_tokens: 64,
};

const names = [];
for await (const entry of client.models.list()) names.push(entry.id);
expect(names.includes(model), `models.list has no ${model}: ${names.join(", ")}`);

let text = "";
let usage = null;
let finishReason = null;
let deltas = 0;
const stream = await client.chat.completions.create({
  ...request,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  expect(chunk.object === "chat.completion.chunk", `a chunk's object is ${chunk.object}`);
  const choice = chunk.choices[0];
  if (choice?.delta?.content) {
    deltas += 1;
    text += choice.delta.content;
    process.stdout.write(choice.delta.content);
  }
  if (choice?.finish_reason) finishReason = choice.finish_reason;
  if (chunk.usage) usage = chunk.usage;
}
process.stdout.write("\n");
console.log(`usage: ${JSON.stringify(usage)}, finish: ${finishReason}, deltas: ${deltas}`);
expect(text.length > 0, "the stream has no text");
expect(["stop", "length"].includes(finishReason), `finish_reason is ${finishReason}`);
expect(usage?.completion_tokens > 0, "the stream has no usage");

const whole = await client.chat.completions.create(request);
expect(whole.choices[0].message.content === text,
       `whole: ${JSON.stringify(whole.choices[0].message.content)}, streamed: ${JSON.stringify(text)}`);
expect(whole.usage.total_tokens === usage.total_tokens, "the usages differ");
expect(whole.choices[0].finish_reason === finishReason, "the finish reasons differ");

try {
  await client.chat.completions.create({ ...request, model: "no-such-model-here", n: 99 });
  expect(false, "n = 99 was accepted");
} catch (error) {
  expect(error instanceof OpenAI.BadRequestError, `n = 99 gave ${error}`);
}
console.log("ok");
