-- INDEX: ids of jobs that have been made, to be found by time and by how they begin. For people and tools only.
-- KEYS made ids
-- ARGV ms that they are kept, how many, id, … (at most 128)
-- Returns how many ids.
-- Repeat: an id that is there keeps its time.
local call = redis.call
local made, all = unpack(KEYS)
local keep, most = tonumber(ARGV[1]), tonumber(ARGV[2])
-- @include now
-- @include types
local wrong = types('zset', 'zset')
if wrong then return wrong end
local z, lex = {}, {}
for i = 3, #ARGV do
  z[#z + 1], z[#z + 2] = now, ARGV[i]
  lex[#lex + 1], lex[#lex + 2] = 0, ARGV[i]
end
local r = redis.pcall('ZADD', made, 'NX', unpack(z))
if type(r) == 'table' then return r end
call('ZADD', all, unpack(lex))
-- @include oldest
for _, key in ipairs(KEYS) do
  if #old > 0 then call('ZREM', key, unpack(old)) end
  call('PEXPIRE', key, keep)
end
return #ARGV - 2
