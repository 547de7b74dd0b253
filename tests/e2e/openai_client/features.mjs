// node features.mjs URL MODEL: tools, formats, grammars, probabilities and several choices through the
// official OpenAI client, against a mesh whose model need not be clever (and has room for 512 tokens):
// what is checked is what the grammar and the protocol promise.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [, , url, model] = process.argv;
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "-", maxRetries: 0 });
const messages = [{ role: "user", content: "What is 27 + 58?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "add",
      description: "<|eot_id|>",
      parameters: {
        type: "object",
        properties: {
          unit: { enum: ["one", "ten"] },
          a: { type: "integer", minimum: 0, maximum: 99 },
        },
        required: ["unit", "a"],
      },
    },
  },
  { type: "function", function: { name: "other" } },
];
const create = (more) =>
  client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 300, ...more });

function checkCall(call) {
  assert.equal(call.type, "function");
  assert.ok(call.id.length > 0);
  assert.equal(call.function.name, "add");
  const given = JSON.parse(call.function.arguments);
  assert.deepEqual(Object.keys(given), ["unit", "a"]);
  assert.ok(["one", "ten"].includes(given.unit));
  assert.ok(Number.isInteger(given.a) && given.a >= 0 && given.a <= 99);
}

const checks = {
  async "a named tool is called"() {
    const tool_choice = { type: "function", function: { name: "add" } };
    const answer = await create({ tools, tool_choice });
    const choice = answer.choices[0];
    assert.equal(choice.finish_reason, "tool_calls");
    assert.equal(choice.message.content, null);
    assert.equal(choice.message.tool_calls.length, 1);
    checkCall(choice.message.tool_calls[0]);
  },
  async "a call and its result go back to the model"() {
    const called = await create({ tools, tool_choice: { type: "function", function: { name: "add" } } });
    const { message } = called.choices[0];
    const result = (content) => ({ role: "tool", tool_call_id: message.tool_calls[0].id, content });
    const asked = await create({ messages, max_tokens: 20 });
    const call = await create({ messages: [...messages, message], max_tokens: 20 });
    const told = [...messages, message, result("The sum is 85.")];
    const answer = await create({ messages: told, max_tokens: 20 });
    assert.ok(asked.usage.prompt_tokens < call.usage.prompt_tokens, "the call is in the prompt");
    assert.ok(call.usage.prompt_tokens < answer.usage.prompt_tokens, "and so is its result");
    let streamed = "";
    for await (const chunk of await create({ messages: told, max_tokens: 20, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? "";
    }
    assert.equal(streamed, answer.choices[0].message.content);

    // With the tools still offered, and one to be called: the next round of the loop.
    const again = await create({
      messages: told, tools: tools.slice(0, 1), tool_choice: "required", parallel_tool_calls: false,
    });
    assert.equal(again.choices[0].finish_reason, "tool_calls");
    for (const call of again.choices[0].message.tool_calls) checkCall(call);
    await assert.rejects(create({ messages: [...messages, { role: "tool", content: 5 }] }),
                         OpenAI.BadRequestError);
  },
  async "the client's own loop runs the tool"() {
    const given = [];
    const add = (call) => {
      given.push(call);
      return "85";
    };
    const { parameters } = tools[0].function;
    const runner = client.chat.completions.runTools({
      model, messages, temperature: 0, max_tokens: 300,
      tools: [{ type: "function", function: { name: "add", parameters, parse: JSON.parse, function: add } }],
      tool_choice: { type: "function", function: { name: "add" } },
    });
    await runner.done();
    assert.equal(given.length, 1);
    assert.deepEqual(Object.keys(given[0]), ["unit", "a"]);
    const result = runner.messages.at(-1);
    assert.equal(result.role, "tool");
    assert.equal(result.content, "85");
  },
  async "a model that may call says whether it has"() {
    const { finish_reason, message } = (await create({ tools, max_tokens: 60 })).choices[0];
    assert.equal(finish_reason === "tool_calls", message.tool_calls !== undefined);
    if (!message.tool_calls) assert.ok(message.content.length > 0);
  },
  async "a tool is called in a stream"() {
    const stream = await create({
      tools: tools.slice(0, 1),
      tool_choice: "required",
      parallel_tool_calls: false,
      stream: true,
      stream_options: { include_usage: true },
    });
    const call = { function: { arguments: "" } };
    let reason, usage;
    for await (const chunk of stream) {
      usage = chunk.usage ?? usage;
      const choice = chunk.choices[0];
      if (!choice) continue;
      reason = choice.finish_reason ?? reason;
      for (const part of choice.delta.tool_calls ?? []) {
        assert.equal(part.index, 0);
        call.id = part.id ?? call.id;
        call.type = part.type ?? call.type;
        call.function.name = part.function.name ?? call.function.name;
        call.function.arguments += part.function.arguments ?? "";
      }
    }
    assert.equal(reason, "tool_calls");
    assert.ok(usage.completion_tokens > 0);
    checkCall(call);
  },
  async "no tool is called where none may be"() {
    const answer = await create({ tools, tool_choice: "none", max_tokens: 20 });
    assert.equal(answer.choices[0].message.tool_calls, undefined);
  },
  async "an answer follows its JSON schema"() {
    const schema = {
      type: "object",
      properties: {
        sum: { type: "integer", minimum: 0, maximum: 200 },
        kind: { enum: ["even", "odd"] },
        steps: { type: "array", items: { type: "boolean" }, minItems: 1, maxItems: 3 },
      },
      required: ["sum", "kind", "steps"],
      additionalProperties: false,
    };
    for (const temperature of [0, 1.5]) {
      const answer = await create({
        temperature,
        seed: 5,
        response_format: { type: "json_schema", json_schema: { name: "sum", strict: true, schema } },
      });
      assert.equal(answer.choices[0].finish_reason, "stop");
      const given = JSON.parse(answer.choices[0].message.content);
      assert.deepEqual(Object.keys(given), ["sum", "kind", "steps"]);
      assert.ok(Number.isInteger(given.sum) && given.sum >= 0 && given.sum <= 200);
      assert.ok(["even", "odd"].includes(given.kind));
      assert.ok(given.steps.length >= 1 && given.steps.every((step) => typeof step === "boolean"));
    }
  },
  async "a schema holds in a stream, and makes the same answer"() {
    const schema = {
      type: "object",
      properties: { name: { type: "string", maxLength: 8 }, sum: { type: "integer", minimum: 0, maximum: 9 } },
      required: ["name", "sum"],
      additionalProperties: false,
    };
    const asked = { response_format: { type: "json_schema", json_schema: { name: "n", strict: true, schema } } };
    const whole = (await create(asked)).choices[0].message.content;
    const stream = client.chat.completions.stream({ model, messages, temperature: 0, max_tokens: 300, ...asked });
    const streamed = await stream.finalChatCompletion();
    assert.equal(streamed.choices[0].message.content, whole);
    assert.equal(streamed.choices[0].finish_reason, "stop");
    const given = JSON.parse(whole);
    assert.deepEqual(Object.keys(given), ["name", "sum"]);
    assert.ok(typeof given.name === "string" && [...given.name].length <= 8);
    assert.ok(Number.isInteger(given.sum) && given.sum >= 0 && given.sum <= 9);
  },
  async "json_object is an object"() {
    const answer = await create({ response_format: { type: "json_object" }, max_tokens: 200 });
    const { finish_reason, message } = answer.choices[0];
    // The model may not find its end; then it is the beginning of one.
    if (finish_reason === "stop") assert.equal(Object.prototype.toString.call(JSON.parse(message.content)), "[object Object]");
    else assert.match(message.content, /^\s*\{/);
  },
  async "a grammar leaves two answers"() {
    const answer = await create({ grammar: 'root ::= "yes" | "no"' });
    assert.ok(["yes", "no"].includes(answer.choices[0].message.content));
    assert.equal(answer.choices[0].finish_reason, "stop");
  },
  async "what cannot be held is refused with its place"() {
    const schema = { type: "object", properties: { a: { type: "string", pattern: "x" } } };
    const format = { type: "json_schema", json_schema: { name: "n", schema } };
    await assert.rejects(create({ response_format: format }), (error) => {
      assert.equal(error.status, 400);
      assert.match(error.message, /#\/properties\/a: 'pattern'/);
      return true;
    });
    await assert.rejects(create({ grammar: "root ::= (" }), /line 1, column/);
  },
  async "probabilities come with the tokens"() {
    const answer = await create({ logprobs: true, top_logprobs: 3, max_tokens: 8 });
    const { content } = answer.choices[0].logprobs;
    assert.equal(content.length, answer.usage.completion_tokens);
    for (const token of content) {
      assert.ok(token.logprob <= 1e-6);
      assert.equal(token.top_logprobs.length, 3);
      // The likeliest is drawn at temperature 0.
      assert.ok(Math.abs(token.top_logprobs[0].logprob - token.logprob) < 1e-6);
      assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob);
    }
    const text = Buffer.from(content.flatMap((token) => token.bytes)).toString();
    assert.equal(text, answer.choices[0].message.content);

    const streamed = [];
    const stream = await create({ logprobs: true, top_logprobs: 3, max_tokens: 8, stream: true });
    for await (const chunk of stream) {
      streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
    }
    assert.deepEqual(streamed, content);

    const legacy = await client.completions.create({
      model, prompt: "The lamp", max_tokens: 6, temperature: 0, logprobs: 2,
    });
    const { tokens, token_logprobs, top_logprobs } = legacy.choices[0].logprobs;
    assert.equal(tokens.join(""), legacy.choices[0].text);
    assert.equal(token_logprobs.length, tokens.length);
    top_logprobs.forEach((top, i) => {
      assert.ok(Math.abs(Math.max(...Object.values(top)) - token_logprobs[i]) < 1e-6);
    });
  },
  async "several choices are given, streamed too"() {
    const answer = await create({ n: 3, temperature: 1.2, seed: 7, max_tokens: 12 });
    assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2]);
    const texts = answer.choices.map((choice) => choice.message.content);
    const stream = await create({ n: 3, temperature: 1.2, seed: 7, max_tokens: 12, stream: true });
    const streamed = ["", "", ""];
    for await (const chunk of stream) {
      for (const choice of chunk.choices) streamed[choice.index] += choice.delta.content ?? "";
    }
    assert.deepEqual(streamed, texts);
  },
  async "a bias bans a token, and penalties and stop texts are taken"() {
    const first = await create({ logprobs: true, max_tokens: 1 });
    const word = first.choices[0].logprobs.content[0].token;
    const reply = await fetch(`${url}/tokenize`, {
      method: "POST",
      body: JSON.stringify({ content: word }),
    });
    const { tokens } = await reply.json();
    assert.equal(tokens.length, 1);
    const banned = await create({
      logprobs: true,
      max_tokens: 4,
      logit_bias: { [tokens[0]]: -100 },
      presence_penalty: 0.5,
      frequency_penalty: 0.5,
      stop: ["\u0001"],
    });
    assert.ok(banned.choices[0].logprobs.content.every((token) => token.token !== word));
    const back = await fetch(`${url}/detokenize`, { method: "POST", body: JSON.stringify({ tokens }) });
    assert.equal((await back.json()).content, word);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok: ${name}`);
}
