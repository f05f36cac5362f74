// BullMQ: node bullmq.js WHAT N, as peers/driver.py has it; `work 0` is the worker.
"use strict";
const fs = require("fs");
const { Queue, QueueEvents, Worker } = require("bullmq");

const { hostname, port } = new URL(process.env.BENCH_URL);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
const NAME = "bench";
const DATA = { argument: "x".repeat(100) };
const BATCH = 500;
const CONCURRENCY = 50;
const WARM_UP = 200; // round trips; so much is compiled while they run
const WARM_UP_JOBS = 5000; // in another queue, for the same reason

const now = () => Number(process.hrtime.bigint()) / 1e9;
const cpu = () => {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
};

// The count goes out once a turn of the event loop: a system call a job would be BullMQ's loss alone.
function counter() {
  const file = fs.openSync(`${process.env.BENCH_TICKS}/${process.pid}`, "w");
  const count = Buffer.alloc(8);
  let jobs = 0n;
  let due = false;
  const put = () => {
    due = false;
    count.writeBigUInt64LE(jobs);
    fs.writeSync(file, count, 0, 8, 0);
  };
  return () => {
    jobs++;
    if (!due) setImmediate(put);
    due = true;
  };
}

function work() {
  const tick = counter();
  const job = async () => {
    tick();
    return "done";
  };
  new Worker(NAME, job, { connection, concurrency: CONCURRENCY });
}

async function bulk(queue, n) {
  for (let sent = 0; sent < n; sent += BATCH) {
    await queue.addBulk(Array.from({ length: Math.min(BATCH, n - sent) }, () => ({ name: "noop", data: DATA })));
  }
}

async function single(queue, n) {
  for (let i = 0; i < n; i++) await queue.add("noop", DATA);
}

async function roundTrips(queue, n) {
  const events = new QueueEvents(NAME, { connection });
  await events.waitUntilReady();
  const took = [];
  for (let i = -WARM_UP; i < n; i++) {
    const start = now();
    const job = await queue.add("noop", DATA);
    const result = await job.waitUntilFinished(events);
    if (result !== "done") throw new Error(`the result is ${result}`);
    if (i >= 0) took.push((now() - start) * 1e3);
  }
  took.sort((a, b) => a - b);
  return ` ${took[Math.floor(n / 2)].toFixed(4)} ${took[Math.floor(n * 0.99)].toFixed(4)}`;
}

async function main(what, n) {
  const queue = new Queue(NAME, { connection });
  const action = { bulk, single, roundtrip: roundTrips }[what];
  await queue.waitUntilReady();
  if (what !== "roundtrip") await action(new Queue("warm-up", { connection }), Math.min(n, WARM_UP_JOBS));
  const start = now();
  const used = cpu();
  const more = await action(queue, n);
  console.log(`${(now() - start).toFixed(6)} ${(cpu() - used).toFixed(6)}${more || ""}`);
  process.exit(0);
}

const [what, n] = process.argv.slice(2);
if (what === "work") {
  work();
} else {
  main(what, Number(n)).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
