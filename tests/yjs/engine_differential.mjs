// Replicas whose documents npm's yjs holds open, in random sessions.
//
//   node engine_differential.mjs PATH/TO/engine_peer [--cases N] [--seed N]
//
// Each replica has a live Y.Doc for a column of rule text and one for a column of rule doc, as pages
// have. Edits are made in the Y.Docs, by SQL and by calls; replicas meet in any order. Whenever a
// page follows its replica both must show the same, and in the end all replicas and pages agree.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import * as Y from 'yjs'

const option = (name, fallback) => { const i = process.argv.indexOf('--' + name); return i < 0 ? fallback : Number(process.argv[i + 1]) }
const cases = option('cases', 1000)
const firstSeed = option('seed', 1)
const b64 = bytes => bytes.length ? Buffer.from(bytes).toString('base64') : '-'
const bytes = word => word === '-' ? new Uint8Array() : new Uint8Array(Buffer.from(word, 'base64'))
const text = word => Buffer.from(bytes(word)).toString()
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

const peer = spawn(process.argv[2], { stdio: ['pipe', 'pipe', 'inherit'] })
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]()
async function tell (...words) {
  peer.stdin.write(words.join(' ') + '\n')
  const { value, done } = await lines.next()
  if (done) throw new Error('the peer died of: ' + words.join(' '))
  if (!value.startsWith('ok ')) throw new Error(`${words.join(' ')}: ${text(value.slice(3))}`)
  return value.slice(3)
}

function equal (a, b, what) {
  if (a !== b) throw new Error(`${what}\n    engine ${a}\n    yjs    ${b}`)
}

// Neighbours with equal attributes as one: a mark may stand between them.
function joined (delta) {
  const out = []
  for (const op of delta) {
    const last = out[out.length - 1]
    if (last && typeof op.insert === 'string' && typeof last.insert === 'string' && sorted(last.attributes ?? {}) === sorted(op.attributes ?? {})) last.insert += op.insert
    else out.push({ ...op })
  }
  return sorted(out)
}

const words = ['a', 'be', ' ', 'sea ', '\n', 'ä', '😀', 'word', '.']

// A page: live documents of one replica's two columns.
class Page {
  constructor (random, index) { this.random = random; this.index = index; this.name = {}; this.doc = {} }
  async open (column) {
    const doc = new Y.Doc()
    doc.clientID = 1 + this.random.below(0x7fffffff)
    this.doc[column] = doc
    this.queue = this.queue ?? {}
    const queue = this.queue[column] = []
    doc.on('update', (update, origin) => { if (origin !== 'engine') queue.push(update) })
    this.name[column] = await tell('name', this.index, column)
  }
  async flush (column) {
    for (const update of this.queue[column].splice(0)) await tell('apply', this.index, column, b64(update))
  }
  async follow (column) {
    if (this.doc[column] && await tell('name', this.index, column) !== this.name[column]) this.doc[column] = null
    if (!this.doc[column]) await this.open(column)
    const doc = this.doc[column]
    await this.flush(column)
    Y.applyUpdate(doc, bytes(await tell('diff', this.index, column, b64(Y.encodeStateVector(doc)))), 'engine')
    // Yjs may have tidied up marks while it took that in.
    await this.flush(column)
    if (column === 'body') {
      equal(text(await tell('text', this.index)), doc.getText('text').toString(), 'the text')
      equal(joined(JSON.parse(text(await tell('delta', this.index, column)))), joined(doc.getText('text').toDelta()), 'the formatted text')
    } else {
      const found = JSON.parse(text(await tell('json', this.index, column)))
      for (const [root, value] of Object.entries({ map: doc.getMap('map').toJSON(), list: doc.getArray('list').toJSON(), prose: doc.getText('prose').toString() })) {
        const empty = sorted(value) === '{}' || sorted(value) === '[]' || value === ''
        if (!empty) equal(sorted(found[root]), sorted(value), root)
      }
      const whole = new Y.Doc()
      const blob = Buffer.from(text(await tell('blob', this.index)), 'hex')
      if (blob.length) Y.applyUpdate(whole, new Uint8Array(blob))
      equal(sorted(whole.getMap('map').toJSON()), sorted(doc.getMap('map').toJSON()), 'the column itself')
      equal(whole.getText('prose').toString(), doc.getText('prose').toString(), 'the column itself')
    }
  }
  edit (column) {
    const { random } = this
    const doc = this.doc[column]
    doc.transact(() => {
      for (let left = 1 + random.below(3); left > 0; left--) this.one(column === 'body' ? doc.getText('text') : random.pick([doc.getText('prose'), doc.getMap('map'), doc.getArray('list')]))
    })
  }
  one (type) {
    const { random } = this
    if (type instanceof Y.Text) {
      // Between the halves of a pair Yjs repairs its own copy without telling others; editors do not
      // go there.
      const units = type.toString()
      const whole = index => index > 0 && index < units.length && (units.charCodeAt(index) & 0xfc00) === 0xdc00 ? index + 1 : index
      const at = whole(random.below(type.length + 1))
      const count = Math.min(type.length, whole(at + 1 + random.below(4))) - at
      if (random.chance(60) || count === 0) type.insert(at, random.pick(words), random.chance(20) ? { bold: true } : undefined)
      else if (random.chance(60)) type.delete(at, count)
      else type.format(at, count, { bold: random.chance(70) ? true : null })
    } else if (type instanceof Y.Map) {
      const key = random.pick(['x', 'y', 'z'])
      if (random.chance(20)) type.delete(key)
      else if (random.chance(25)) type.set(key, new Y.Map([['in', random.below(9)]]))
      else if (type.get(key) instanceof Y.Map && random.chance(60)) type.get(key).set(random.pick(['in', 'on']), random.below(9))
      else type.set(key, random.pick([null, true, random.below(100), 'text', [1, { a: 2 }]]))
    } else {
      const at = random.below(type.length + 1)
      if (type.length > at && random.chance(40)) type.delete(at, 1)
      else type.insert(at, [random.pick([1, 'two', null])])
    }
  }
}

// What SQL or a call does to the text.
async function outside (random, index) {
  const body = text(await tell('text', index))
  const length = [...body].length
  const at = random.below(length + 1)
  const count = Math.min(length - at, 1 + random.below(5))
  const sql = statement => tell('sql', index, b64(Buffer.from(statement)))
  switch (random.below(6)) {
    case 0: return sql(`UPDATE notes SET body = coalesce(body, '') || '${random.pick(words)}'`)
    case 1: return sql(`UPDATE notes SET body = substr(body, 1, ${at}) || '${random.pick(words)}' || substr(body, ${at + count + 1})`)
    case 2: return tell('insert', index, 'body', at, b64(Buffer.from(random.pick(words))))
    case 3: return count > 0 && tell('delete', index, 'body', at, count)
    case 4: return count > 0 && tell('format', index, 'body', at, count, b64(Buffer.from(`{"bold":${random.chance(70) ? 'true' : 'null'}}`)))
    default:
      if (random.chance(70)) return
      await sql('DELETE FROM notes')
      return sql(`INSERT INTO notes(id, body) VALUES(1, ${random.chance(50) ? 'NULL' : "'anew'"})`)
  }
}

async function session (seed) {
  const random = new Random(seed)
  const count = 2 + random.below(2)
  await tell('reset', count, seed)
  await tell('sql', 0, b64(Buffer.from(`INSERT INTO notes(id, body) VALUES(1, ${random.chance(30) ? 'NULL' : "'hello 😀 world'"})`)))
  for (let i = 1; i < count; i++) await tell('pull', i, 0)
  const pages = []
  for (let i = 0; i < count; i++) {
    pages.push(new Page(random, i))
    for (const column of ['body', 'page']) await pages[i].follow(column)
  }
  for (let step = 4 + random.below(25); step > 0; step--) {
    const page = random.pick(pages)
    const column = random.pick(['body', 'body', 'page'])
    switch (random.below(5)) {
      case 0: case 1: page.edit(column); if (random.chance(60)) await page.follow(column); break
      case 2: await outside(random, page.index); break
      case 3: await page.follow(column); break
      default: { const other = random.below(count); if (other !== page.index) await tell('pull', page.index, other) }
    }
  }
  // What Yjs tidies up is an edit too, so that it takes some rounds until nothing moves.
  for (let round = 0; round < 3; round++) {
    for (const page of pages) for (const column of ['body', 'page']) await page.follow(column)
    for (let turn = 0; turn < 2; turn++) for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) if (i !== j) await tell('pull', i, j)
  }
  for (const page of pages) for (const column of ['body', 'page']) await page.follow(column)
  for (const page of pages.slice(1)) {
    equal(await tell('text', page.index), await tell('text', 0), 'replicas differ in the text')
    equal(await tell('blob', page.index), await tell('blob', 0), 'replicas differ in the document')
    equal(page.doc.body.getText('text').toString(), pages[0].doc.body.getText('text').toString(), 'pages differ')
  }
}

let failed = 0
for (let seed = firstSeed; seed < firstSeed + cases && failed < 3; seed++) {
  try { await session(seed) } catch (error) { failed++; console.log(`seed ${seed}: ${error.message}`); if (error.message.includes('died')) break }
}
peer.stdin.end()
console.log(`${cases} sessions from seed ${firstSeed}, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
