// node run_test.mjs HTTP_TEST_SERVER: starts the server over its fake service, runs stream_chat.mjs
// against it, and exits as that does; exits 77, which ctest takes as skipped, without node_modules.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";

const here = new URL(".", import.meta.url).pathname;
if (!existsSync(`${here}node_modules/openai`)) {
  console.log("skipped: no node_modules; run `npm ci` in tests/e2e/openai_client");
  process.exit(77);
}
const server = spawn(process.argv[2], [], { stdio: ["pipe", "pipe", "inherit"] });
const url = await new Promise((resolve, reject) => {
  createInterface({ input: server.stdout }).once("line", resolve);
  server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
});
const result = spawnSync(process.execPath, [`${here}stream_chat.mjs`, url, "fake", "How are you?"],
                         { stdio: "inherit", timeout: 60_000 });
server.stdin.end();
process.exit(result.status ?? 1);
