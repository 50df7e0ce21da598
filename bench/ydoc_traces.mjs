// Runs ydoc_traces and npm's yjs by turns over the same traces, and reports medians of CPU time.
//
//   node bench/ydoc_traces.mjs PATH/TO/ydoc_traces TRACES_DIR [rounds [REPORT.json]]
//
// bench/run ydoc does this. Needs the packages of tests/yjs (tools/setup --yjs). The last line is
// JSON.
import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import fs from 'node:fs'
import path from 'node:path'

const here = path.dirname(fileURLToPath(import.meta.url))
const Y = createRequire(path.join(here, '../tests/yjs/package.json'))('yjs')
const names = ['automerge-paper', 'clownschool', 'friendsforever']
const mergedSome = 5000
// What our side may take on automerge-paper.
const limits = { apply_ms: 100, load_ms: 5, each_ms: 150, batch_ms: 100, memory_bytes: 5 * 1024 * 1024 }
const cpuMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000 }
const makeDoc = id => { const doc = new Y.Doc(); doc.clientID = id; return doc }

function runEdit (text, patches) {
  for (const [position, removed, inserted] of patches) {
    if (removed > 0) text.delete(position, removed)
    if (inserted.length > 0) text.insert(position, inserted)
  }
}

function applySequential (trace, updates) {
  const doc = makeDoc(1)
  const text = doc.getText('text')
  doc.on('update', update => { updates.push(update) })
  for (const { patches } of trace.txns) doc.transact(() => runEdit(text, patches))
  return doc
}

function applyConcurrent (trace, updates) {
  const docs = Array.from({ length: trace.numAgents }, (_, i) => makeDoc(i + 1))
  const has = docs.map(() => new Set())
  let now = 0
  docs.forEach(doc => doc.on('update', (update, origin) => { if (origin !== 'remote') updates[now] = update }))
  for (now = 0; now < trace.txns.length; ++now) {
    const { parents, agent, patches } = trace.txns[now]
    const lacking = [...parents]
    const order = []
    while (lacking.length) {
      const each = lacking.pop()
      if (has[agent].has(each)) continue
      has[agent].add(each)
      order.push(each)
      lacking.push(...trace.txns[each].parents)
    }
    for (const each of order.sort((a, b) => a - b)) Y.applyUpdate(docs[agent], updates[each], 'remote')
    const text = docs[agent].getText('text')
    docs[agent].transact(() => runEdit(text, patches))
    has[agent].add(now)
  }
  const all = makeDoc(99)
  for (const update of updates) Y.applyUpdate(all, update)
  return all
}

function measure (trace) {
  const out = {}
  const updates = []
  const timed = (name, run) => { const begin = cpuMs(); const result = run(); out[name] = cpuMs() - begin; return result }
  let doc
  timed('apply_ms', () => { doc = (trace.kind === 'concurrent' ? applyConcurrent : applySequential)(trace, updates) })
  const state = timed('encode_ms', () => Y.encodeStateAsUpdate(doc))
  out.encoded_bytes = state.length
  out.update_bytes = updates.reduce((sum, update) => sum + update.length, 0)
  const loaded = makeDoc(2000)
  timed('load_ms', () => Y.applyUpdate(loaded, state))
  const each = makeDoc(3000)
  timed('each_ms', () => { for (const update of updates) Y.applyUpdate(each, update) })
  const batch = makeDoc(4000)
  timed('batch_ms', () => batch.transact(() => { for (const update of updates) Y.applyUpdate(batch, update) }))
  // Y.mergeUpdates takes time with the square of the number of updates; all of them would take hours.
  const some = updates.slice(0, mergedSome)
  timed('merge_some_ms', () => Y.mergeUpdates(some))
  out.right = [doc, loaded, each].every(d => d.getText('text').toString() === trace.endContent)
  return out
}

if (process.argv[2] === '--yjs') {
  const result = {}
  for (const name of names) {
    const file = path.join(process.argv[3], name + '.json.gz')
    result[name] = measure(JSON.parse(gunzipSync(fs.readFileSync(file)).toString()))
  }
  console.log(JSON.stringify(result))
} else {
  const [, self, program, traces, rounds = '3', file] = process.argv
  if (!traces) {
    console.error('usage: node ydoc_traces.mjs PROGRAM TRACES_DIR [rounds]')
    process.exit(2)
  }
  const runs = { ydoc: [], yjs: [] }
  for (let round = 0; round < Number(rounds); ++round) {
    const theirs = spawnSync(process.execPath, [self, '--yjs', traces], { maxBuffer: 1e8 })
    runs.yjs.push(JSON.parse(theirs.stdout.toString()))
    runs.ydoc.push(JSON.parse(execFileSync(program, [traces]).toString()))
  }
  const median = xs => [...xs].sort((a, b) => a - b)[xs.length >> 1]
  const report = {}
  for (const name of names) {
    report[name] = {}
    console.log(name)
    for (const key of Object.keys(runs.ydoc[0][name]).filter(key => key !== 'right')) {
      const ours = median(runs.ydoc.map(run => run[name][key]))
      const theirs = runs.yjs[0][name][key] === undefined ? NaN : median(runs.yjs.map(run => run[name][key]))
      report[name][key] = { ydoc: ours, yjs: Number.isNaN(theirs) ? null : theirs }
      const limit = name === names[0] && limits[key] !== undefined ? `   at most ${limits[key]}${ours > limits[key] ? ', exceeded' : ''}` : ''
      console.log(`  ${key.padEnd(14)} ydoc ${ours.toFixed(2).padStart(12)}   yjs ${theirs.toFixed(2).padStart(12)}${limit}`)
    }
    report[name].right = [...runs.ydoc, ...runs.yjs].every(run => run[name].right)
  }
  console.log(JSON.stringify(report))
  if (file) fs.writeFileSync(file, JSON.stringify(report, null, 2) + '\n')
}
