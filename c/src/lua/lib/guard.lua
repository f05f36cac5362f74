-- Answers every case in which CLAIM or KILL is not to go on. ARGV: token queue over.
local tok, q = ARGV[1], ARGV[2]
local queue, failed = unpack(call('HMGET', KEYS[1], 'hq_queue', 'hq_failed'))
-- @include state
-- @include num
local function seqof(token) return num(string.match(token, '^(%d+):')) end
-- Ends the job under this token; a buried one lives as long as its entry in dead.
local function give_up(text, dead)
  local reply_to, life = unpack(call('HMGET', KEYS[1], 'hq_reply_to', 'hq_ttl'))
  if life and dead then life = '2592000000' end
  -- @include expire
  call('HDEL', KEYS[1], 'output')
  call('HSET', KEYS[1], 'status', 'error', 'error', text, 'hq_token', tok, 'hq_queue', q)
  if dead then call('HSET', KEYS[1], 'hq_dead', dead) end
  return reply_to or ''
end
if not status and not v[1] then return {-1} end
if term then
  local reply_to, dead = unpack(call('HMGET', KEYS[1], 'hq_reply_to', 'hq_dead'))
  return {-2, reply_to or '', st == 'finished' and output or err or '', queue == q and dead or ''}
end
if held == tok and not ARGV[4] then
  if asks then return {num(attempt), v, due, asks} end
  return {num(attempt), v, due or nil}
end
if failed == tok or held and queue == q and seqof(held) > seqof(tok) then return {-3, held and seqof(held) or 0} end
if held and queue ~= q and st == 'started' and held ~= ARGV[3] then return {-5, queue or '', held} end
if st == 'stopping' then return {-4, give_up('cancelled'), 'cancelled'} end
if not ARGV[4] then -- else KILL, whose end is another
  -- @include expired
  if expired then return {-4, give_up('expired'), 'expired'} end
end
