// Bundles the package into dist/: one file for pages, one for their worker, one for Node, and the
// small ones around them. The module comes from `cmake --build --preset wasm`.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const flags = new Set(process.argv.slice(2));
const dist = path.join(here, "dist");
const module = path.join(here, "..", "build", "wasm", "syncline.wasm");

// The linker lets what it does not find be an import, which would fail only in the browser.
const known = new Set(["syncline", "wasi_snapshot_preview1"]);
for (const { module: from, name } of WebAssembly.Module.imports(new WebAssembly.Module(fs.readFileSync(module)))) {
  if (!known.has(from) && name !== "emscripten_notify_memory_growth") {
    throw new Error(`${module} lacks ${name}: is a source missing in cmake/wasm.cmake?`);
  }
}

if (!flags.has("--no-types")) {
  execFileSync(process.execPath, [path.join(here, "node_modules/typescript/bin/tsc")], {
    cwd: here,
    stdio: "inherit",
  });
}
// The elements' style sheets are texts to esbuild, which would keep their white space.
const styles = {
  name: "styles",
  setup(builder) {
    builder.onLoad({ filter: /elements[\\/][a-z]+\.ts$/ }, async ({ path: file }) => {
      const source = fs.readFileSync(file, "utf8");
      const sheet = /(const (?:css|sharedCss) = `)([^`]*)(`)/.exec(source);
      if (!sheet) return { contents: source, loader: "ts" };
      const small = await transform(sheet[2], { loader: "css", minify: true });
      const at = sheet.index + sheet[1].length;
      return { contents: source.slice(0, at) + small.code.trim() + source.slice(at + sheet[2].length), loader: "ts" };
    });
  },
};
const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  legalComments: "none",
  logLevel: "warning",
  outdir: dist,
};
await build({
  ...common,
  platform: "browser",
  plugins: [styles],
  external: ["syncline", "yjs", "./doc.js"],
  entryPoints: {
    syncline: path.join(here, "src/index.ts"),
    worker: path.join(here, "src/worker.ts"),
    doc: path.join(here, "src/doc.ts"),
    providers: path.join(here, "src/providers.ts"),
    service_worker: path.join(here, "src/service_worker.ts"),
    elements: path.join(here, "src/elements/index.ts"),
    react: path.join(here, "src/react.ts"),
    svelte: path.join(here, "src/svelte.ts"),
  },
});
// One file for pages and Node alike: it is without the engine.
await build({
  ...common,
  platform: "browser",
  external: ["node:*"],
  entryPoints: { delta: path.join(here, "src/delta_client.ts") },
});
await build({
  ...common,
  platform: "node",
  minify: false,
  external: ["yjs"],
  entryPoints: { node: path.join(here, "src/node.ts") },
});
fs.copyFileSync(module, path.join(dist, "syncline.wasm"));
