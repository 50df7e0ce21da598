#include "routes/delta_openapi.h"

namespace syncline {
namespace {

constexpr const char* head = R"json({
"openapi":"3.1.0",
"info":{"title":"Syncline: the JSON delta door","version":"2.0.0",
  "description":"One POST pushes changes and pulls what others did. docs/delta.md says it in words."},
"security":[{"bearer":[]}],
"paths":{
"/api/sync/v2":{"post":{"operationId":"sync","parameters":[
    {"$ref":"#/components/parameters/workspaceHeader"},
    {"$ref":"#/components/parameters/workspaceQuery"},
    {"$ref":"#/components/parameters/encoding"}],
  "requestBody":{"required":true,"content":{"application/json":{"schema":
    {"$ref":"#/components/schemas/SyncRequest"}}}},
  "responses":{"200":{"description":"what landed, what did not, and what is new","content":
      {"application/json":{"schema":{"$ref":"#/components/schemas/SyncAnswer"}}}},
    "400":{"$ref":"#/components/responses/Refused"},"401":{"$ref":"#/components/responses/Refused"},
    "404":{"$ref":"#/components/responses/Refused"},"405":{"$ref":"#/components/responses/Refused"},
    "413":{"$ref":"#/components/responses/Refused"},"415":{"$ref":"#/components/responses/Refused"},
    "429":{"$ref":"#/components/responses/Later"},"503":{"$ref":"#/components/responses/Later"}}}},
"/api/sync/v2/migrate":{"post":{"operationId":"migrate","parameters":[
    {"$ref":"#/components/parameters/workspaceHeader"},
    {"$ref":"#/components/parameters/workspaceQuery"},
    {"$ref":"#/components/parameters/encoding"}],
  "requestBody":{"required":true,"content":{"application/json":{"schema":
    {"$ref":"#/components/schemas/State"}}}},
  "responses":{"200":{"description":"what became of each row","content":
      {"application/json":{"schema":{"$ref":"#/components/schemas/MigrateAnswer"}}}},
    "400":{"$ref":"#/components/responses/Refused"},"401":{"$ref":"#/components/responses/Refused"},
    "404":{"$ref":"#/components/responses/Refused"},"413":{"$ref":"#/components/responses/Refused"},
    "415":{"$ref":"#/components/responses/Refused"},
    "429":{"$ref":"#/components/responses/Later"},"503":{"$ref":"#/components/responses/Later"}}}},
"/api/sync/v2/events":{"get":{"operationId":"events","parameters":[
    {"$ref":"#/components/parameters/workspaceHeader"},
    {"$ref":"#/components/parameters/workspaceQuery"},
    {"name":"since","in":"query","schema":{"type":"integer","minimum":0}},
    {"name":"deviceId","in":"query","schema":{"type":"string","maxLength":128}},
    {"name":"Last-Event-ID","in":"header","schema":{"type":"string"}}],
  "responses":{"200":{"description":"events `changes`, each with a SyncAnswer as data, or `resync`",
      "content":{"text/event-stream":{"schema":{"type":"string"}}}},
    "400":{"$ref":"#/components/responses/Refused"},"401":{"$ref":"#/components/responses/Refused"},
    "404":{"$ref":"#/components/responses/Refused"},
    "429":{"$ref":"#/components/responses/Later"},"503":{"$ref":"#/components/responses/Later"}}}},
"/api/sync/push":{"post":{"operationId":"oldPush","deprecated":true,
  "description":"Only with --legacy-sync.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":
    {"$ref":"#/components/schemas/State"}}}},
  "responses":{"200":{"description":"taken in","content":
      {"application/json":{"schema":{"$ref":"#/components/schemas/PushAnswer"}}}},
    "400":{"$ref":"#/components/responses/Refused"},"401":{"$ref":"#/components/responses/Refused"},
    "404":{"$ref":"#/components/responses/Refused"}}}},
"/api/sync/pull":{"post":{"operationId":"oldPull","deprecated":true,
  "description":"Only with --legacy-sync.",
  "responses":{"200":{"description":"all rows","content":
      {"application/json":{"schema":{"$ref":"#/components/schemas/PullAnswer"}}}},
    "401":{"$ref":"#/components/responses/Refused"},"404":{"$ref":"#/components/responses/Refused"},
    "413":{"$ref":"#/components/responses/Refused"}}}}
},
)json";

constexpr const char* components = R"json("components":{
"securitySchemes":{"bearer":{"type":"http","scheme":"bearer","bearerFormat":"JWT"}},
"parameters":{
  "workspaceHeader":{"name":"Syncline-Workspace","in":"header","schema":{"type":"string"},
    "description":"Which workspace; not needed when the token names one."},
  "workspaceQuery":{"name":"workspace","in":"query","schema":{"type":"string"}},
  "encoding":{"name":"Content-Encoding","in":"header","schema":{"enum":["identity","gzip","zstd"]}}},
"responses":{
  "Refused":{"description":"refused, with a reason","content":
    {"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}}},
  "Later":{"description":"not now; the same request may be sent again","headers":
    {"Retry-After":{"schema":{"type":"integer"}}},"content":
    {"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}}}},
"schemas":{
"Error":{"type":"object","required":["ok","error"],"additionalProperties":false,"properties":{
  "ok":{"const":false},
  "error":{"type":"object","required":["code","message","retryable"],"additionalProperties":false,
    "properties":{"code":{"enum":["invalid_argument","malformed","too_large","unsupported",
      "not_allowed","not_found","workspace_missing","busy"]},
    "message":{"type":"string","minLength":1},"retryable":{"type":"boolean"}}}}},
"Version":{"type":"integer","minimum":0},
"ChangeId":{"type":"string","minLength":1,"maxLength":128},
"Change":{"type":"object","required":["changeId","type","entityType","entityId"],"properties":{
  "changeId":{"$ref":"#/components/schemas/ChangeId"},
  "type":{"enum":["CREATED","UPDATED","DELETED"]},
  "entityType":{"type":"string","minLength":1,"maxLength":200},
  "entityId":{"type":["string","integer","array"]},
  "data":{"type":"object"},
  "timestamp":{"type":["integer","string","number","null"]},
  "stamp":{"type":["integer","string","null"]},
  "baseVersion":{"type":["integer","null"]},
  "deviceId":{"type":["string","null"],"maxLength":128}}},
"SyncRequest":{"type":"object","properties":{
  "lastKnownServerVersion":{"type":["integer","null"]},
  "changes":{"type":"array","maxItems":10000,"items":{"$ref":"#/components/schemas/Change"}},
  "deviceId":{"type":["string","null"],"maxLength":128},
  "lineage":{"type":["string","null"]},"cursor":{"type":["string","null"]},
  "includeOwn":{"type":"boolean"},
  "limit":{"type":"integer","minimum":1,"maximum":5000},
  "wait":{"type":"integer","minimum":0,"maximum":60}}},
"NewChange":{"type":"object","additionalProperties":false,
  "required":["serverVersion","changeId","type","entityType","entityId","data","timestamp",
    "deviceId","user"],"properties":{
  "serverVersion":{"$ref":"#/components/schemas/Version"},"changeId":{"type":"string"},
  "type":{"enum":["CREATED","UPDATED","DELETED"]},"entityType":{"type":"string"},
  "entityId":{"type":"string"},"data":{"type":"object"},"timestamp":{"type":"integer"},
  "deviceId":{"type":"string"},"user":{"type":"string"}}},
"Accepted":{"type":"object","additionalProperties":false,"required":["changeId","serverVersion"],
  "properties":{"changeId":{"$ref":"#/components/schemas/ChangeId"},
  "serverVersion":{"$ref":"#/components/schemas/Version"},"repeated":{"const":true}}},
"Conflict":{"type":"object","additionalProperties":false,
  "required":["changeId","serverVersion","entityType","entityId","reason","winner","fields"],
  "properties":{"changeId":{"$ref":"#/components/schemas/ChangeId"},
  "serverVersion":{"$ref":"#/components/schemas/Version"},"entityType":{"type":"string"},
  "entityId":{"type":"string"},
  "reason":{"enum":["concurrent_update","created_twice","edited","deleted","differs"]},
  "winner":{"enum":["yours","theirs"]},
  "fields":{"type":"object","additionalProperties":{"type":"object","additionalProperties":false,
    "required":["yours","theirs"],"properties":{"yours":{},"theirs":{}}}}}},
"Rejected":{"type":"object","additionalProperties":false,
  "required":["changeId","index","code","reason"],"properties":{"changeId":{"type":"string"},
  "index":{"type":"integer","minimum":0},
  "code":{"enum":["invalid_argument","malformed","too_large","unsupported","not_found",
    "not_allowed","constraint","schema_mismatch","clock_skew","change_id_reused",
    "unknown_column","corrupt"]},
  "reason":{"type":"string","minLength":1}}},
"SyncAnswer":{"type":"object","additionalProperties":false,
  "required":["newChanges","latestServerVersion","headVersion","hasMore","accepted","conflicts",
    "rejected","lineage","serverTime"],"properties":{
  "newChanges":{"type":"array","items":{"$ref":"#/components/schemas/NewChange"}},
  "latestServerVersion":{"$ref":"#/components/schemas/Version"},
  "headVersion":{"$ref":"#/components/schemas/Version"},"hasMore":{"type":"boolean"},
  "accepted":{"type":"array","items":{"$ref":"#/components/schemas/Accepted"}},
  "conflicts":{"type":"array","items":{"$ref":"#/components/schemas/Conflict"}},
  "rejected":{"type":"array","items":{"$ref":"#/components/schemas/Rejected"}},
  "lineage":{"type":"string","minLength":32,"maxLength":32},"serverTime":{"type":"integer"},
  "cursor":{"type":"string"},"resync":{"const":true}}},
"State":{"type":"object","required":["data"],"properties":{
  "data":{"type":["object","array"]},"deviceId":{"type":"string","maxLength":128}}},
"MigrateAnswer":{"type":"object","additionalProperties":false,
  "required":["migrated","duplicates","conflicts","rejected","latestServerVersion"],"properties":{
  "migrated":{"type":"integer","minimum":0},"duplicates":{"type":"integer","minimum":0},
  "conflicts":{"type":"array","items":{"$ref":"#/components/schemas/Conflict"}},
  "rejected":{"type":"array","items":{"$ref":"#/components/schemas/Rejected"}},
  "latestServerVersion":{"$ref":"#/components/schemas/Version"}}},
"PushAnswer":{"type":"object","additionalProperties":false,
  "required":["ok","serverVersion","rejected"],"properties":{"ok":{"const":true},
  "serverVersion":{"$ref":"#/components/schemas/Version"},
  "rejected":{"type":"array","items":{"$ref":"#/components/schemas/Rejected"}}}},
"PullAnswer":{"type":"object","additionalProperties":false,"required":["data","serverVersion"],
  "properties":{"serverVersion":{"$ref":"#/components/schemas/Version"},
  "data":{"type":"object","additionalProperties":{"type":"array","items":{"type":"object"}}}}}
}}}
)json";

}  // namespace

std::string delta_openapi() { return std::string(head) + components; }

}  // namespace syncline
