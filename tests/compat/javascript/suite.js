// What the JavaScript suites share: features run one by one, each with a row `ok NAME` or `FAIL NAME: reason`, and the
// runner (`cargo xtask compat`) can be asked to restart the node. A feature throws when the node answers otherwise than
// Apache Kafka does.

const crypto = require('crypto')
const readline = require('readline')

const bootstrap = process.argv[2]
const run = crypto.randomBytes(4).toString('hex')
const features = []
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Adds what sees to a feature of features.txt; features run in the order in which they were added. */
function has(name, body) {
  features.push([name, body])
}

/** A topic or group name that no other run uses. */
function name(base) {
  return `kafkajs-${base}-${run}`
}

/** Waits for a condition, at most a minute. */
async function until(what, condition) {
  for (const deadline = Date.now() + 60000; !(await condition()); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`timed out waiting until ${what}`)
  }
}

/** Has the node stopped and started; it serves again when this is done. */
async function restart() {
  process.stdout.write('restart\n')
  const { value } = await answers.next()
  if (value !== 'done') throw new Error(`the runner answered ${value}`)
}

async function main() {
  const only = process.argv.slice(3)
  let failed = false
  for (const [name, body] of features) {
    if (only.length > 0 && !only.includes(name)) continue
    try {
      await body()
      process.stdout.write(`ok ${name}\n`)
    } catch (error) {
      failed = true
      console.error(error)
      process.stdout.write(`FAIL ${name}: ${String(error).replace(/\n/g, ' ')}\n`)
    }
  }
  process.exit(failed ? 1 : 0)
}

module.exports = { bootstrap, has, main, name, restart, until }
