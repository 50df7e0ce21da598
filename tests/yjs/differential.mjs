// Random editing sessions, run by npm's yjs and by our documents side by side.
//
//   node differential.mjs PATH/TO/ydoc_peer [--cases N] [--seed N]
//
// Every client is a pair of documents with one client id, one of each kind. Both perform the same
// edits; every update one of them emits must be the other's byte for byte, each takes in what the
// other wrote, and in the end all states, trees, merges and both formats must agree.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import * as Y from 'yjs'

const option = (name, fallback) => { const i = process.argv.indexOf('--' + name); return i < 0 ? fallback : Number(process.argv[i + 1]) }
const cases = option('cases', 3000)
const firstSeed = option('seed', 1)
const b64 = bytes => Buffer.from(bytes).toString('base64')
const sorted = value => JSON.stringify(value, (_, x) => x && typeof x === 'object' && !Array.isArray(x) ? Object.fromEntries(Object.keys(x).sort().map(k => [k, x[k]])) : x)

class Random {
  constructor (seed) { this.state = BigInt(seed) * 0x9e3779b97f4a7c15n & 0xffffffffffffffffn }
  next () {
    this.state = this.state + 0x9e3779b97f4a7c15n & 0xffffffffffffffffn
    let z = this.state
    z = (z ^ z >> 30n) * 0xbf58476d1ce4e5b9n & 0xffffffffffffffffn
    z = (z ^ z >> 27n) * 0x94d049bb133111ebn & 0xffffffffffffffffn
    return Number((z ^ z >> 31n) & 0xffffffffn)
  }
  below (n) { return this.next() % n }
  pick (list) { return list[this.below(list.length)] }
  chance (percent) { return this.below(100) < percent }
}

// ------------------------------------------------------------------------ tagged values
const tag = v => {
  if (v === undefined) return { $u: 1 }
  if (typeof v === 'number') return Number.isFinite(v) && !Object.is(v, -0) ? v : { $n: Object.is(v, -0) ? '-0' : String(v) }
  if (typeof v === 'bigint') return { $i: String(v) }
  if (v instanceof Uint8Array) return { $b: b64(v) }
  if (Array.isArray(v)) return v.map(tag)
  if (v instanceof Y.AbstractType) return tree(v)
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, tag(x)]))
  return v
}
const untag = v => {
  if (v === null || typeof v !== 'object') return v
  if (Array.isArray(v)) return v.map(untag)
  if ('$u' in v) return undefined
  if ('$n' in v) return Number(v.$n)
  if ('$i' in v) return BigInt(v.$i)
  if ('$b' in v) return new Uint8Array(Buffer.from(v.$b, 'base64'))
  if ('$t' in v) return build(v)
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, untag(x)]))
}
const untagDelta = delta => delta.map(op => typeof op.insert === 'object' ? { ...op, insert: untag(op.insert) } : { ...op })
function build (spec) {
  switch (spec.$t) {
    case 'map': return new Y.Map(spec.e.map(([k, v]) => [k, untag(v)]))
    case 'array': { const list = new Y.Array(); if (spec.v.length) list.insert(0, spec.v.map(untag)); return list }
    case 'text': case 'xmltext': { const text = spec.$t === 'text' ? new Y.Text() : new Y.XmlText(); if (spec.d.length) text.applyDelta(untagDelta(spec.d)); return text }
  }
  const element = new Y.XmlElement(spec.n)
  if (spec.c.length) element.insert(0, spec.c.map(untag))
  for (const [k, v] of spec.a) element.setAttribute(k, v)
  return element
}
function delta (text) {
  const out = []
  for (const op of text.toDelta()) {
    const step = { insert: tag(op.insert) }
    if (op.attributes) step.attributes = tag(op.attributes)
    const last = out[out.length - 1]
    if (last && typeof step.insert === 'string' && typeof last.insert === 'string' && sorted(last.attributes ?? null) === sorted(step.attributes ?? null)) last.insert += step.insert
    else out.push(step)
  }
  return out
}
const entries = map => { const out = {}; map.forEach((v, k) => { out[k] = tag(v) }); return out }
function tree (type) {
  if (type instanceof Y.Text) return { $t: type instanceof Y.XmlText ? 'xmltext' : 'text', d: delta(type), a: tag(type.getAttributes()) }
  if (type instanceof Y.Map) return { $t: 'map', v: entries(type) }
  if (type instanceof Y.Array) return { $t: 'array', v: type.toArray().map(tag) }
  if (type instanceof Y.XmlElement) return { $t: 'xml', n: type.nodeName, a: tag(type.getAttributes()), c: type.toArray().map(tag) }
  return { $t: 'fragment', c: type.toArray().map(tag) }
}
const roots = { text: 'text', arr: 'array', map: 'map', xml: 'fragment' }
const constructors = { text: Y.Text, array: Y.Array, map: Y.Map, fragment: Y.XmlFragment }
const root = (doc, name) => doc.get(name, constructors[roots[name]])

// ------------------------------------------------------------------------ edits
const letters = ['a', 'b', 'c', ' ', '\n', 'é', '中', '😀', '"', '\\', '\u2028']
const word = random => Array.from({ length: 1 + random.below(6) }, () => random.pick(letters)).join('')
const marks = random => Object.fromEntries(Array.from({ length: 1 + random.below(2) }, () => {
  const key = random.pick(['b', 'i', 'link', 'size', '7'])
  return [key, random.chance(30) ? null : random.pick([true, 'x', 12, 1.5])]
}))
function plain (random, depth = 0) {
  switch (random.below(depth < 2 ? 12 : 9)) {
    case 0: case 1: return random.below(500) - 100
    case 2: return word(random)
    case 3: return random.chance(50)
    case 4: return null
    case 5: return random.pick([0.5, 0.1, 1e100, -0, NaN, Infinity, 2147483648, 9007199254740991])
    case 6: return word(random)
    case 7: return new Uint8Array([random.below(256), random.below(256)])
    case 8: return -random.below(1e9)
    case 9: return [plain(random, depth + 1), plain(random, depth + 1)]
    default: return { [random.pick(['k', 'é', '1'])]: plain(random, depth + 1), z: plain(random, depth + 1) }
  }
}
function textSpec (random) { return { $t: 'text', d: random.chance(60) ? [{ insert: word(random), ...(random.chance(50) ? { attributes: { b: true } } : {}) }] : [], a: [] } }
function spec (random, depth = 0) {
  switch (random.below(3)) {
    case 0: return { $t: 'map', e: random.chance(70) ? [['k', item(random, depth + 1)], ['l', tag(plain(random))]] : [] }
    case 1: return { $t: 'array', v: Array.from({ length: random.below(3) }, () => item(random, depth + 1)) }
    default: return textSpec(random)
  }
}
const item = (random, depth = 0) => depth < 2 && random.chance(25) ? spec(random, depth) : tag(plain(random))
const child = (random, depth = 0) => depth > 1 || random.chance(50)
  ? { ...textSpec(random), $t: 'xmltext' }
  : { $t: 'xml', n: random.pick(['p', 'DIV']), c: Array.from({ length: random.below(3) }, () => child(random, depth + 1)), a: random.chance(40) ? [['id', word(random)]] : [] }

function places (doc) {
  const out = []
  const visit = (type, path) => {
    out.push([type, path])
    if (path.length > 3) return
    if (type instanceof Y.Map) type.forEach((v, k) => { if (v instanceof Y.AbstractType) visit(v, [...path, k]) })
    else if (!(type instanceof Y.Text)) type.toArray().forEach((v, i) => { if (v instanceof Y.AbstractType) visit(v, [...path, i]) })
  }
  for (const name in roots) visit(root(doc, name), [name])
  return out
}
function textEdit (random, text, p) {
  const length = text.length
  const i = random.below(length + 1)
  const rest = length - i
  const what = random.below(10)
  if (what < 4 || length === 0) return { o: 'text.insert', p, i, s: word(random), ...(random.chance(40) ? { a: marks(random) } : {}) }
  if (what < 6 && rest > 0) return { o: 'text.delete', p, i, n: 1 + random.below(Math.min(rest, 6)) }
  if (what < 8 && rest > 0) return { o: 'text.format', p, i, n: 1 + random.below(Math.min(rest, 8)), a: marks(random) }
  if (what === 8) return { o: 'text.embed', p, i, v: { image: word(random) }, ...(random.chance(30) ? { a: { b: true } } : {}) }
  const d = []
  if (i > 0) d.push(random.chance(50) ? { retain: i } : { retain: i, attributes: marks(random) })
  d.push({ insert: word(random), ...(random.chance(50) ? { attributes: marks(random) } : {}) })
  if (rest > 0) d.push({ delete: 1 + random.below(Math.min(rest, 4)) })
  return { o: 'text.delta', p, d }
}
function edit (random, doc) {
  const [type, p] = random.pick(places(doc))
  if (type instanceof Y.Text) return textEdit(random, type, p)
  if (type instanceof Y.Map) {
    const k = random.pick(['a', 'b', 'é'])
    return random.chance(75) ? { o: 'map.set', p, k, v: item(random) } : random.chance(90) ? { o: 'map.delete', p, k } : { o: 'map.clear', p }
  }
  const family = type instanceof Y.Array ? 'array' : 'xml'
  const values = () => Array.from({ length: 1 + random.below(3) }, () => family === 'array' ? item(random) : child(random))
  if (type.length > 0 && random.chance(30)) { const i = random.below(type.length); return { o: family + '.delete', p, i, n: 1 + random.below(Math.min(type.length - i, 3)) } }
  if (type instanceof Y.XmlElement && random.chance(30)) return { o: 'xml.setAttr', p, k: 'id', v: word(random) }
  if (family === 'array' && random.chance(20)) return { o: 'array.push', p, v: values() }
  return { o: family + '.insert', p, i: random.below(type.length + 1), v: values() }
}
function perform (doc, op) {
  let type = root(doc, op.p[0])
  for (const step of op.p.slice(1)) type = type.get(step)
  switch (op.o) {
    case 'text.insert': return op.a ? type.insert(op.i, op.s, op.a) : type.insert(op.i, op.s)
    case 'text.delete': case 'array.delete': case 'xml.delete': return type.delete(op.i, op.n)
    case 'text.format': return type.format(op.i, op.n, op.a)
    case 'text.embed': return op.a ? type.insertEmbed(op.i, op.v, op.a) : type.insertEmbed(op.i, op.v)
    case 'text.delta': return type.applyDelta(untagDelta(op.d))
    case 'array.insert': case 'xml.insert': return type.insert(op.i, op.v.map(untag))
    case 'array.push': return type.push(op.v.map(untag))
    case 'map.set': return type.set(op.k, untag(op.v))
    case 'map.delete': return type.delete(op.k)
    case 'map.clear': return type.clear()
    case 'xml.setAttr': return type.setAttribute(op.k, op.v)
  }
  throw new Error('unknown edit ' + op.o)
}

// ------------------------------------------------------------------------ one case
// Plays the case in yjs and gives the commands for the peer with the answers they must get.
function play (seed) {
  const random = new Random(seed)
  const gc = !random.chance(15)
  const undoes = random.chance(25)
  const ids = []
  while (ids.length < 2 + random.below(2)) { const id = 1 + random.below(random.chance(50) ? 200 : 4e9); if (!ids.includes(id)) ids.push(id) }
  const script = [[{ do: 'reset' }, {}]]
  const updates = []
  const emitted = ids.map(() => [])
  const docs = ids.map((id, c) => {
    const doc = new Y.Doc({ gc })
    doc.clientID = id
    for (const name in roots) root(doc, name)
    doc.on('update', (update, origin) => { if (origin !== 'remote') emitted[c].push(update) })
    script.push([{ do: 'new', doc: c, client: id, gc, roots, undo: undoes }, {}])
    return doc
  })
  const managers = undoes ? docs.map(doc => new Y.UndoManager(Object.keys(roots).map(name => root(doc, name)), { captureTimeout: 1e9 })) : []
  const seen = ids.map(() => new Set())
  const take = c => { const out = emitted[c]; emitted[c] = []; for (const u of out) { seen[c].add(updates.length); updates.push(u) } return { u: out.map(b64) } }
  const deliver = (c, which) => {
    for (const u of which) {
      seen[c].add(u)
      const second = random.chance(10)
      Y.applyUpdate(docs[c], updates[u], 'remote')
      script.push([second ? { do: 'apply_v2', doc: c, b: b64(Y.convertUpdateFormatV1ToV2(updates[u])) } : { do: 'apply', doc: c, b: b64(updates[u]) }, take(c)])
    }
  }
  const lacking = c => updates.map((_, u) => u).filter(u => !seen[c].has(u))
  const shuffled = list => { const out = [...list]; for (let i = out.length - 1; i > 0; --i) { const j = random.below(i + 1); [out[i], out[j]] = [out[j], out[i]] } return out }
  for (let step = 0, steps = 4 + random.below(12); step < steps; ++step) {
    const c = random.below(ids.length)
    if (undoes && random.chance(35)) {
      const what = random.pick(['undo', 'undo', 'redo', 'stop'])
      if (what === 'stop') { managers[c].stopCapturing(); script.push([{ do: 'stop', doc: c }, {}]) } else { managers[c][what](); script.push([{ do: what, doc: c }, take(c)]) }
    } else {
      const ops = []
      docs[c].transact(() => { for (let k = 1 + random.below(3); k > 0; --k) { const op = edit(random, docs[c]); perform(docs[c], op); ops.push(op) } })
      script.push([{ do: 'ops', doc: c, ops }, take(c)])
    }
    if (random.chance(50)) { const to = random.below(ids.length); const which = random.chance(40) ? shuffled(lacking(to)) : lacking(to); deliver(to, which.slice(0, 1 + random.below(5))) }
  }
  for (let round = 0; round < 4; ++round) for (let c = 0; c < ids.length; ++c) deliver(c, random.chance(50) ? shuffled(lacking(c)) : lacking(c))
  docs.forEach((doc, c) => script.push([{ do: 'state', doc: c }, {
    b: b64(Y.encodeStateAsUpdate(doc)), v2: b64(Y.encodeStateAsUpdateV2(doc)), sv: b64(Y.encodeStateVector(doc)),
    tree: Object.fromEntries(Object.keys(roots).map(name => [name, tree(root(doc, name))]))
  }]))
  if (updates.length > 1) {
    const some = shuffled(updates).slice(0, 2 + random.below(updates.length - 1))
    const merged = Y.mergeUpdates(some)
    script.push([{ do: 'merge', u: some.map(b64) }, { b: b64(merged) }])
    script.push([{ do: 'sv', b: b64(merged) }, { b: b64(Y.encodeStateVectorFromUpdate(merged)) }])
    const state = Y.encodeStateVector(new Map(ids.map(id => [id, random.below(20)])))
    script.push([{ do: 'diff', b: b64(merged), sv: b64(state) }, { b: b64(Y.diffUpdate(merged, state)) }])
    const second = Y.convertUpdateFormatV1ToV2(merged)
    script.push([{ do: 'to_v2', b: b64(merged) }, { b: b64(second) }])
    script.push([{ do: 'from_v2', b: b64(second) }, { b: b64(Y.convertUpdateFormatV2ToV1(second)) }])
  }
  return script
}

const program = process.argv[2]
if (!program || program.startsWith('--')) { console.error('usage: node differential.mjs PEER [--cases N] [--seed N]'); process.exit(2) }
const peer = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] })
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]()
let failed = 0
for (let seed = firstSeed; seed < firstSeed + cases && failed < 10; ++seed) {
  const script = play(seed)
  peer.stdin.write(script.map(([command]) => JSON.stringify(command) + '\n').join(''))
  let wrong = null
  for (const [command, wanted] of script) {
    const { value, done } = await answers.next()
    if (done) { console.log(`seed ${seed}: the peer died at ${JSON.stringify(command).slice(0, 300)}`); process.exit(1) }
    if (wrong === null && sorted(JSON.parse(value)) !== sorted(wanted)) wrong = `${JSON.stringify(command).slice(0, 400)}\n  got    ${value.slice(0, 600)}\n  wanted ${JSON.stringify(wanted).slice(0, 600)}`
  }
  if (wrong !== null) { failed += 1; console.log(`seed ${seed}: ${wrong}`) }
}
peer.stdin.end()
console.log(`${cases - failed} passed, ${failed} failed (seeds ${firstSeed} to ${firstSeed + cases - 1})`)
process.exit(failed === 0 ? 0 : 1)
