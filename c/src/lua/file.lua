-- FILE: ids of jobs under one tag, or one caller. For people and tools only.
-- KEYS made
-- ARGV ms that they are kept, how many, id, … (at most 128)
-- Returns how many ids.
-- Repeat: an id that is there keeps its time.
local call = redis.call
local made = KEYS[1]
local keep, most = tonumber(ARGV[1]), tonumber(ARGV[2])
-- @include now
local z = {}
for i = 3, #ARGV do
  z[#z + 1], z[#z + 2] = now, ARGV[i]
end
local r = redis.pcall('ZADD', made, 'NX', unpack(z))
if type(r) == 'table' then return r end
-- @include oldest
if #old > 0 then call('ZREM', made, unpack(old)) end
call('PEXPIRE', made, keep)
return #ARGV - 2
