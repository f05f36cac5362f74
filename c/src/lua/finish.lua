-- FINISH: writes results.
-- KEYS job
-- ARGV token, output
-- Several jobs: a key each, their arguments behind one another; a list of answers.
-- Returns 1 written, 2 written before: {n, reply_to} where somebody is to be answered; -1 missing; -2 ended by another;
--         -3 the token was replaced.
-- Repeat: answers 2.
local call = redis.call
local function one(KEYS, ARGV)
  local v = redis.pcall('HMGET', KEYS[1], 'status', 'hq_token', 'hq_ttl', 'hq_reply_to')
  if v.err then return v end
  local status, held, life, reply_to = unpack(v)
  local n = 1
  if held ~= ARGV[1] or status ~= 'started' then
    if not status then return -1 end
    -- @include state
    if term then
      if held ~= ARGV[1] then return -2 end
      n = 2
    end
    if held ~= ARGV[1] then return -3 end
  end
  if n == 1 then
    -- @include expire
    call('HSET', KEYS[1], 'output', ARGV[2], 'status', 'finished')
  end
  if reply_to then return {n, reply_to} end
  return n
end
local per = 2
-- @include each
