-- Answers one(KEYS, ARGV) for a job, or a list of that for each of several with `keys` keys and `args` arguments each; an
-- error of one job is an answer like others.
if #KEYS == keys then return one(KEYS, ARGV) end
local answers, key, arg = {}, {}, {}
for i = 0, #KEYS / keys - 1 do
  for j = 1, keys do key[j] = KEYS[i * keys + j] end
  for j = 1, args do arg[j] = ARGV[i * args + j] end
  answers[i + 1] = one(key, arg)
end
return answers
