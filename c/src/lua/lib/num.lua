-- num(s): a counter as stored; what is no whole number below 2^53 counts as 0. whole(n): n as text, never 1e+15.
local function num(s)
  local n = tonumber(s or '')
  if n and n >= 0 and n < 9007199254740992 and n % 1 == 0 then return n end
  return 0
end
local function whole(n) return string.format('%.0f', n) end
