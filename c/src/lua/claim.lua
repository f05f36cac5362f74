-- CLAIM: starts the runs of ids that this actor holds in its queues.
-- KEYS job
-- ARGV token, queue, over (token of another queue that the caller found to hold nothing any more, '' none)
-- Several jobs: a key each, their arguments behind one another; a list of answers.
-- Returns {attempt, {fields}}, and hq_due and hq_reply_to behind them if they are there; {-1} missing; {-2, reply_to, payload, reason} terminal; {-3, seq} superseded;
--         {-4, reply_to, payload} it was to be stopped, or expired, and has been ended; {-5, queue, token} runs through another
--         queue.
-- Repeat: the token stands there, the same answer.
local function one(KEYS, ARGV)
  -- @include read
  local n, count = 1, '1'
  if status ~= 'dispatched' or held or attempt or expires then -- else nobody of ours had it yet
    -- @include guard
    n = num(attempt) + 1
    count = whole(n)
  end
  local r = redis.pcall('HSET', KEYS[1], 'status', 'started', 'hq_token', ARGV[1], 'hq_queue', ARGV[2], 'hq_attempt', count)
  if type(r) == 'table' then return r end
  if output or err then call('HDEL', KEYS[1], 'output', 'error') end
  if n > 1 or output or err then call('PERSIST', KEYS[1]) end
  if asks then return {n, v, due, asks} end
  return {n, v, due or nil}
end
local keys, args = 1, 3
-- @include each
