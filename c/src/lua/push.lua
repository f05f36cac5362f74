-- PUSH: starts jobs later, or before those that wait, or such as were noted. Plain starts are an LPUSH.
-- KEYS Q delayed intents
-- ARGV urgent (0 or 1), delay ms, time (Unix ms), id, …
-- Returns how many ids.
-- Repeat: an earlier due time stays; an urgent id may lie twice in the queue, and its copy is found out by TAKE.
local call = redis.call
local Q, delayed, intents = unpack(KEYS)
local delay, at = tonumber(ARGV[2]), tonumber(ARGV[3])
-- @include now
-- @include num
-- @include types
local wrong = types('list', 'zset', 'zset')
if wrong then return wrong end
local due = at > 0 and whole(at) or delay > 0 and whole(now + delay)
for from = 4, #ARGV, 128 do
  local r
  local to = math.min(from + 127, #ARGV)
  if due then
    local z = {}
    for i = from, to do
      z[#z + 1] = due
      z[#z + 1] = ARGV[i]
    end
    r = redis.pcall('ZADD', delayed, 'LT', unpack(z))
  else
    r = redis.pcall(ARGV[1] == '1' and 'RPUSH' or 'LPUSH', Q, unpack(ARGV, from, to))
  end
  if type(r) == 'table' then return r end
  call('ZREM', intents, unpack(ARGV, from, to))
end
return #ARGV - 3
