-- The turns of one bot by the clock of the server. What each operation means stands in policy.py; the
-- LocalLimiter of bucket.py does the same in memory, and both are held to the same tests. Times are in seconds.
-- KEYS: the bot, the processes that share it, the mark of a return, then the chats or the share that are asked for.
local op, amount, interval, burst, room, part_interval, part_burst, member = unpack(ARGV)
interval, burst, room = tonumber(interval), tonumber(burst), tonumber(room)
part_interval, part_burst = tonumber(part_interval), tonumber(part_burst)

local time = redis.call("TIME")
local now = time[1] + time[2] / 1000000
local stored = redis.call("HMGET", KEYS[1], "full_at", "paused_until", "lowered_to", "lowered_at")
local full_at, paused_until = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
local lowered_to, lowered_at = tonumber(stored[3] or 1), tonumber(stored[4] or -1000000)
local pace = math.min(1, lowered_to + math.max(0, now - paused_until) / RECOVERY_SECONDS)
local pause_left = math.max(0, paused_until - now)

local function text(number)
  return string.format("%.17g", number)
end

local function milliseconds(moment)
  return math.ceil((math.max(0, moment - now) + KEPT_SECONDS) * 1000)
end

local function save()
  redis.call("HSET", KEYS[1], "full_at", text(full_at), "paused_until", text(paused_until),
    "lowered_to", text(lowered_to), "lowered_at", text(lowered_at))
  redis.call("PEXPIRE", KEYS[1], milliseconds(math.max(full_at, paused_until)))
end

local function part_of(key)
  return tonumber(redis.call("GET", key) or 0)
end

local function save_part(key, moment)
  redis.call("SET", key, text(moment), "PX", milliseconds(moment))
end

local function wait_for(moment, every, places)
  local wait = moment - every / pace * (places - 1) - now
  return wait > every / pace * ROUNDING and wait or 0
end

local function free(moment, every, places)
  return math.max(0, math.floor(places - math.max(0, moment - now) * pace / every + ROUNDING))
end

local function after(moment, from, every, count)
  return math.max(moment, from) + count * every / pace
end

local answer = {}

if op == "reserve" then
  local wait = pause_left
  local taken = pause_left <= (tonumber(amount) or math.huge)
  if taken and interval > 0 then
    wait = math.max(wait, wait_for(full_at, interval, burst))
    full_at = after(full_at, now, interval, 1)
    save()
  end
  if taken and KEYS[4] then
    local chat = part_of(KEYS[4])
    wait = math.max(wait, wait_for(chat, part_interval, part_burst))
    save_part(KEYS[4], after(chat, now + wait, part_interval, 1))
  end
  answer = {text(wait), taken and "1" or "0"}

elseif op == "try_take" then
  local chat = KEYS[4] and part_of(KEYS[4])
  local taken = pause_left == 0
    and (interval == 0 or wait_for(full_at, interval, burst) == 0)
    and (not chat or wait_for(chat, part_interval, part_burst) == 0)
  if taken and interval > 0 then
    full_at = after(full_at, now, interval, 1)
    save()
  end
  if taken and chat then
    save_part(KEYS[4], after(chat, now, part_interval, 1))
  end
  answer = {taken and "1" or "0"}

elseif op == "take" then
  local share = KEYS[4] and part_of(KEYS[4])
  local count, wait = 0, pause_left
  if wait == 0 then
    count = math.min(tonumber(amount), free(full_at, interval, room))
    wait = wait_for(full_at, interval, room)
    if share then
      count = math.min(count, free(share, part_interval, part_burst))
      wait = math.max(wait, wait_for(share, part_interval, part_burst))
    end
  end
  if count > 0 then
    wait = 0
    full_at = after(full_at, now, interval, count)
    save()
    if share then
      save_part(KEYS[4], after(share, now, part_interval, count))
    end
  end
  answer = {text(count), text(wait)}

elseif op == "give_back" then
  full_at = full_at - amount * interval / pace
  save()
  if KEYS[4] then
    save_part(KEYS[4], part_of(KEYS[4]) - amount * part_interval / pace)
  end

elseif op == "take_chats" then
  for position = 4, #KEYS do
    local chat = part_of(KEYS[position])
    local wait = wait_for(chat, part_interval, part_burst)
    if wait == 0 then
      save_part(KEYS[position], after(chat, now, part_interval, 1))
    end
    answer[position - 3] = text(wait)
  end

elseif op == "pause" then
  if now >= math.max(paused_until, lowered_at + LOWERING_SECONDS) then
    pace = math.max(SLOWEST, pace / 2)
    lowered_at = now
  end
  lowered_to = pace
  paused_until = math.max(paused_until, now + (tonumber(amount) or PAUSE_SECONDS / pace))
  pause_left = paused_until - now
  if interval > 0 then
    full_at = math.max(full_at, paused_until + interval / pace * (burst - 1))
  end
  save()

elseif op == "gather" then
  -- Those who did without Redis begin to share again at the same moment, or they would send more than the limit.
  redis.call("SET", KEYS[3], "1", "NX", "PX", math.ceil(amount * 1000))
  answer = {text(redis.call("PTTL", KEYS[3]) / 1000)}

elseif op == "empty" and interval > 0 then
  full_at = math.max(full_at, now + interval / pace * (burst - 1))
  save()
end

if member ~= "" then
  redis.call("ZADD", KEYS[2], text(now), member)
  redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", text(now - KEPT_SECONDS))
  redis.call("PEXPIRE", KEYS[2], milliseconds(now))
end

return {text(pause_left), redis.call("ZCARD", KEYS[2]), unpack(answer)}
