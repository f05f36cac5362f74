-- MINE: what an actor holds.
-- KEYS holders
-- ARGV actor
-- Returns {id, token, …}.
-- Repeat: reads only.
local all, out = redis.pcall('HGETALL', KEYS[1]), {}
if all.err then return all end
for i = 1, #all, 2 do
  if string.match(all[i + 1], ':(.*)$') == ARGV[1] then
    out[#out + 1] = all[i]
    out[#out + 1] = all[i + 1]
  end
end
return out
