// Builds a page that uses the package: node js/build_page.mjs FOLDER OUT. FOLDER has main.ts, main.tsx
// or main.js and whatever else is served; OUT gets all of it, with the worker and the module beside, and each file
// compressed once more for servers that know how to hand that out.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const [folder, out] = process.argv.slice(2).map((each) => path.resolve(each));
fs.mkdirSync(out, { recursive: true });

const isSource = (name) => /\.(ts|tsx|js|svelte)$/.test(name);
/** Loaded by pages in Svelte only. */
const svelte = {
  name: "svelte",
  setup(build) {
    build.onLoad({ filter: /\.svelte$/ }, async ({ path: file }) => {
      const { compile } = await import("svelte/compiler");
      const { js } = compile(fs.readFileSync(file, "utf8"), { filename: file, css: "injected" });
      return { contents: js.code, loader: "js", resolveDir: path.dirname(file) };
    });
  },
};
const entry = ["main.ts", "main.tsx", "main.js"].find((name) => fs.existsSync(path.join(folder, name)));
if (!entry) throw new Error(`${folder} has no main.ts, main.tsx or main.js`);

await build({
  entryPoints: [path.join(folder, entry)],
  outdir: out,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  jsx: "automatic",
  conditions: ["browser", "svelte"],
  define: { "process.env.NODE_ENV": '"production"' },
  nodePaths: [path.join(here, "node_modules")],
  plugins: [svelte],
  // Only pages with live documents load them.
  external: ["yjs", "./doc.js"],
  alias: {
    syncline: path.join(here, "src/index.ts"),
    "syncline/elements": path.join(here, "src/elements/index.ts"),
    "syncline/react": path.join(here, "src/react.ts"),
    "syncline/svelte": path.join(here, "src/svelte.ts"),
  },
});
for (const name of fs.readdirSync(folder)) {
  if (!isSource(name)) fs.copyFileSync(path.join(folder, name), path.join(out, name));
}
for (const name of ["worker.js", "doc.js", "syncline.wasm"]) {
  fs.copyFileSync(path.join(here, "dist", name), path.join(out, name));
}

let total = 0;
for (const name of fs.readdirSync(out)) {
  if (name.endsWith(".br") || name.endsWith(".sha")) continue;
  const file = path.join(out, name);
  const content = fs.readFileSync(file);
  // The module takes seconds, and rarely changes.
  const packedFile = `${file}.br`;
  const isPacked =
    fs.existsSync(packedFile) && zlib.brotliDecompressSync(fs.readFileSync(packedFile)).equals(content);
  if (!isPacked) {
    fs.writeFileSync(
      packedFile,
      zlib.brotliCompressSync(content, {
        params: {
          [zlib.constants.BROTLI_PARAM_QUALITY]: 11,
          [zlib.constants.BROTLI_PARAM_LGWIN]: 24,
          [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length,
        },
      }),
    );
  }
  total += fs.statSync(packedFile).size;
}
console.log(`${path.relative(process.cwd(), out)}: ${(total / 1000).toFixed(1)} KB with brotli`);
