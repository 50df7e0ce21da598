#pragma once

// Keys for tests only; they open nothing anywhere.
namespace syncline::test_keys {

inline constexpr const char* rsa_private = R"pem(-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDOjLuujf5Q4ZJA
C4xVL7tkvURq7whfL3bmHM0zNKKHXFXeueqLNNlyvqoafJc6xF+0uMoApSmGCFY7
ZcqZwwULQ8Fd+ZuSUzhT7UkOA/9SZe+/exs+X5CZlVIyvyASA6ENmWmZeXbru23A
/6V3wzUwbSlFFmhPYLBT5Sz5NAL83N4JKOlSroBpFnR0nukWp4dGow0uZYGnhQxK
IXuRu7DW8/uFvu1s37BOSIxt3ONMnGYa040uaTX5kbg3x9Bl+pC91iAEoLXUOx9N
/G8sKIHoL7R/55a4Sx5sbgny6/imzMuhdlzLoPN/YYyS80MmL4jiEy9n8+8zbER5
UiFgBYNvAgMBAAECggEABHE3aiIoqZGoZRM6geyEYb7GVWxtqCprqrhM24CSzEl6
mU8zUaoh0Rtzqh0q3Xsyub7NrWTf9z9/p0hhqpvspFjhNEW1iFic2gU88H26hImn
td0OcXF5uSvieC/vHyQP1yyI/mGD4r8FtcRpySEcKD34yMEaHjbso+lGZdeuBsUp
ZzCFF6GAlivzCbyYlb3xTIyhsOgDd9B5hfiJ472ITLaIhR6mNUSE5gzdB5MDewOh
PAwxjVVE6xkNI7jk1/liyLUnuNjdIUy9HlnLvGxYgKzTtbIL3Uz5VcdItLoYq33l
qLQhEquZbLPPMETmxsCHloVwBy4wwStx2lvvA3YP5QKBgQDmiXepE79amY5L4D+c
mp4j9I7u43XRPYTqcmXyVzyLJAEFLY6KcZiBX5R/1skq7/RKiG/py0vDH10h4BvH
2OOXTFhk3iJao8HPYl3OSrOELgc9QSy8Rv/TgsHySHKvIdCRRoI3JL+RbaRAMXlm
xDSz5jOnOCybhKzNfpahYvh0/QKBgQDlXQQch3nelQrMpMjyJ9k//v911DUXsu7o
Rw6nmZdjCyh/znycBtxbmXlHcqdHv+T/Y0VJ7qKf61/clN+aVDMUTooYJExp3wn9
uA3EWTlABDN5miGkWJ9cNkvVjXMhdIk7bT7V3T7nDflBGxSBiuFu/gxLI6kwYcss
6YRPJonb2wKBgBPkcr3VJWLU8zFa5UJHGTQzCw5T9Duc2lY8js1td5zt+2SN/Mm3
aZhoPfEWAH/C+spfoYCD+UKZ9zhQFTWWYnUQsmPpwv8dOEED1OJTEdBrBFblw81v
Nu3yT3fvhm3UNiIC+oN1mU4cLtsXKcmTTpTjXTulnjvBJAQLU0YTuyqlAoGAQT0o
2ziJqI76KGVCpuZAvBw663f1tgz2OWlkuLVOQyS8W0YPWY32BbPstC7fd+AUMbQ5
1CKlbRlVBffudgY3FTKVwvIoLgD75YgBmnTKfPP09ESsBwQSJ/dlsJNwSPbNxfJ3
6frpVm06FZOvTH2FS73FH2ZATHu0f8zYDm9mzPsCgYA9GcbTI3q50IfCufhjI91a
K6bSV77AFKPiyUmnb0o2+g2dTVHhkes5s9txYoGkszDY2iEJnHt2Nwz6+pJB0Wvg
BGJKJOs0m2anD8nICKqRrzAW8vojleCC1w7C2DyfDa2gdILIYZQ7anekrYY4sJJZ
MDgR/AaBGmGMJTov1CZznA==
-----END PRIVATE KEY-----
)pem";
inline constexpr const char* rsa_public = R"pem(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzoy7ro3+UOGSQAuMVS+7
ZL1Eau8IXy925hzNMzSih1xV3rnqizTZcr6qGnyXOsRftLjKAKUphghWO2XKmcMF
C0PBXfmbklM4U+1JDgP/UmXvv3sbPl+QmZVSMr8gEgOhDZlpmXl267ttwP+ld8M1
MG0pRRZoT2CwU+Us+TQC/NzeCSjpUq6AaRZ0dJ7pFqeHRqMNLmWBp4UMSiF7kbuw
1vP7hb7tbN+wTkiMbdzjTJxmGtONLmk1+ZG4N8fQZfqQvdYgBKC11DsfTfxvLCiB
6C+0f+eWuEsebG4J8uv4pszLoXZcy6Dzf2GMkvNDJi+I4hMvZ/PvM2xEeVIhYAWD
bwIDAQAB
-----END PUBLIC KEY-----
)pem";

inline constexpr const char* ec_private = R"pem(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgycIeZ0Apun8j0fIb
vKlSVXSKMW2yrC702mW2P6fjw3ShRANCAAShDrX5odi0/ufoCxT0H//wNf2+Chc7
JQL11zDiXbHMNvyKx2CJbGT3s6MsChB7xJaGax6iNc7vKe08YyGIEOfE
-----END PRIVATE KEY-----
)pem";
inline constexpr const char* ec_public = R"pem(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoQ61+aHYtP7n6AsU9B//8DX9vgoX
OyUC9dcw4l2xzDb8isdgiWxk97OjLAoQe8SWhmseojXO7yntPGMhiBDnxA==
-----END PUBLIC KEY-----
)pem";

inline constexpr const char* ed_private = R"pem(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJWmjaoB5bXWXb+6XcvoTmGOdyjZHpT15i/uw7RmhEFU
-----END PRIVATE KEY-----
)pem";
inline constexpr const char* ed_public = R"pem(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAKe3IvFyL/MbUP7NdupoXI8oNx54K7lOIFp3wzcL1N8I=
-----END PUBLIC KEY-----
)pem";

inline constexpr const char* rsa_1024_public = R"pem(-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDUKd+E+8jJgZek/66L+bRbP+c1
YWA81drpBsmGuI5L5AzQyOCa73S0Y2hXji3J/zV45EmtsvjxuyNiltF0aAlCtQlz
EQuXDe31qtDnCToLDyixGKcj/MS08UEPTtNIuXsu66/cWTxwkRPLFwKvRbJn9gph
+zoiqFFoEs7GmWC8OQIDAQAB
-----END PUBLIC KEY-----
)pem";

inline constexpr const char* ec_p384_public = R"pem(-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEJxOlxp9AbD0HsXQzyqh2VGLi0NnYonQi
WV57jdjG7xL5lJbw//71VNZhiR6HADIc2A6rTRF7LM0P7gpac68zXvtzaHZMztze
ZMLQGz/ZyA/gWxtxDJNZmmP5wL4ZfkFO
-----END PUBLIC KEY-----
)pem";

inline constexpr const char* jwks = R"json({"keys":[
{"kty":"RSA","kid":"r1","use":"sig","alg":"RS256","e":"AQAB","n":"zoy7ro3-UOGSQAuMVS-7ZL1Eau8IXy925hzNMzSih1xV3rnqizTZcr6qGnyXOsRftLjKAKUphghWO2XKmcMFC0PBXfmbklM4U-1JDgP_UmXvv3sbPl-QmZVSMr8gEgOhDZlpmXl267ttwP-ld8M1MG0pRRZoT2CwU-Us-TQC_NzeCSjpUq6AaRZ0dJ7pFqeHRqMNLmWBp4UMSiF7kbuw1vP7hb7tbN-wTkiMbdzjTJxmGtONLmk1-ZG4N8fQZfqQvdYgBKC11DsfTfxvLCiB6C-0f-eWuEsebG4J8uv4pszLoXZcy6Dzf2GMkvNDJi-I4hMvZ_PvM2xEeVIhYAWDbw"},
{"kty":"EC","kid":"e1","crv":"P-256","x":"oQ61-aHYtP7n6AsU9B__8DX9vgoXOyUC9dcw4l2xzDY","y":"_IrHYIlsZPezoywKEHvEloZrHqI1zu8p7TxjIYgQ58Q"},
{"kty":"OKP","kid":"d1","crv":"Ed25519","x":"Ke3IvFyL_MbUP7NdupoXI8oNx54K7lOIFp3wzcL1N8I"},
{"kty":"RSA","kid":"enc","use":"enc","e":"AQAB","n":"AQAB"}]})json";

}  // namespace syncline::test_keys
