#include "node/http_client.h"

#include <curl/curl.h>

#include <cctype>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "node/api_key.h"
#include "node/event_stream.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kAddressBytesMax = 300;
constexpr int kPollMs = 100;
constexpr long kSilentBytesPerSecond = 1;  // less than this counts as silence

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct HeadersDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

bool start_curl_once() {
  static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return started;
}

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalid;
    case 401:
    case 403:
      return ErrorCode::kDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kConflict;
    case 429:
      return ErrorCode::kExhausted;
    case 501:
      return ErrorCode::kUnsupported;
    case 503:
      return ErrorCode::kUnavailable;
    case 504:
      return ErrorCode::kTimeout;
    default:
      return status < 500 ? ErrorCode::kInvalid : ErrorCode::kInternal;
  }
}

Result<Json> parse_reply(Result<HttpReply> reply) {
  if (!reply.ok()) return std::move(reply).error();
  if (reply->status < 200 || reply->status > 299) return reply_error(*reply);
  Json json = Json::parse(reply->body, nullptr, false);
  if (json.is_discarded()) {
    return Error(ErrorCode::kCorrupt, "what answers there is no weft node: its reply is not JSON");
  }
  return json;
}

}  // namespace

// What a request gathers while it runs; the C library calls back into it.
struct HttpClient::Transfer {
  CURL* easy = nullptr;
  HttpReply reply;
  const std::function<Result<>(std::string_view)>* on_data = nullptr;  // null: not a stream
  EventParser events;
  std::optional<Error> error;

  bool take(std::string_view bytes) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (!on_data || status < 200 || status > 299) {
      if (reply.body.size() + bytes.size() > kResponseBytesMax) {
        error = Error(ErrorCode::kExhausted,
                      cat("the node's reply is over ", format_bytes(kResponseBytesMax)));
        return false;
      }
      reply.body += bytes;
      return true;
    }
    auto taken = events.push(bytes, [this](std::string_view data) {
      if (error) return;
      if (auto handled = (*on_data)(data); !handled.ok()) error = std::move(handled).error();
    });
    if (!taken.ok() && !error) error = std::move(taken).error();
    return !error;
  }

  static size_t on_bytes(char* bytes, size_t size, size_t count, void* self) {
    const size_t total = size * count;
    return static_cast<Transfer*>(self)->take({bytes, total}) ? total : 0;
  }
};

Result<HttpClient> HttpClient::to(const std::string& address, std::function<bool()> cancelled) {
  // The text becomes part of a URL, so nothing but a host and a port may be in it.
  const size_t colon = address.rfind(':');
  bool sound = colon != std::string::npos && colon > 0 && address.size() <= kAddressBytesMax;
  for (const char c : address) {
    sound = sound && (std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == ':' ||
                      c == '-' || c == '_' || c == '[' || c == ']');
  }
  if (sound) {
    const auto port = parse_u64(std::string_view(address).substr(colon + 1));
    sound = port.ok() && *port >= 1 && *port <= 65535;
  }
  if (!sound) {
    return Error(ErrorCode::kInvalid, cat("'", printable(address),
                                          "' is no address; give ADDR:PORT, as 127.0.0.1:7070"));
  }
  if (!start_curl_once()) return Error(ErrorCode::kInternal, "libcurl did not start");
  HttpClient client(address);
  client.cancelled_ = std::move(cancelled);
  return client;
}

Result<HttpClient> HttpClient::to_node(const std::string& dir, const std::string& address,
                                       std::function<bool()> cancelled) {
  if (!address.empty()) return to(address, std::move(cancelled));
  const std::string path = dir + "/http.addr";
  const auto content = read_file(path, kAddressBytesMax);
  if (!content.ok() && content.error().code == ErrorCode::kNotFound) {
    return Error(ErrorCode::kUnavailable,
                 cat("no node runs with the folder ", dir, ": start one with `weft up --dir ", dir,
                     "`, or name a running node's address with --http ADDR:PORT"));
  }
  if (!content.ok()) return content.error();
  const std::string text(content->begin(), content->end());
  return to(std::string(trim(text)), std::move(cancelled)).within(path);
}

Result<> HttpClient::use_api_key(std::string_view key) {
  bool sound = !key.empty() && key.size() <= kApiKeyBytesMax;
  for (const char c : key) sound = sound && c > ' ' && c < 0x7f;
  if (!sound) return Error(ErrorCode::kInvalid, "the API key's file holds no key");
  api_key_ = key;
  return {};
}

Result<> HttpClient::use_api_key_file(const std::string& path) {
  if (path.empty()) return {};
  WEFT_TRY(const std::string key, read_api_key(path));
  return use_api_key(key).within(path);
}

Result<> HttpClient::perform(const std::string& path, const std::string* body,
                             Transfer& transfer) const {
  const std::unique_ptr<CURL, EasyDeleter> easy(curl_easy_init());
  const std::unique_ptr<CURLM, MultiDeleter> multi(curl_multi_init());
  const std::string authorization = "Authorization: Bearer " + api_key_;
  curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
  list = curl_slist_append(list, "Expect:");
  if (!api_key_.empty()) list = curl_slist_append(list, authorization.c_str());
  const std::unique_ptr<curl_slist, HeadersDeleter> headers(list);
  if (!easy || !multi || !headers) return Error(ErrorCode::kExhausted, "no memory for a request");
  const std::string url = cat("http://", address_, path);
  CURL* const handle = easy.get();
  transfer.easy = handle;
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, long(to_milliseconds(kConnectTimeout)));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Transfer::on_bytes);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  if (transfer.on_data) {
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, kSilentBytesPerSecond);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, long(to_seconds(kStreamSilenceMax)));
  } else {
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, long(to_milliseconds(kReplyTimeout)));
  }
  if (body) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body->size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body->c_str());
  }

  curl_multi_add_handle(multi.get(), handle);
  int running = 1;
  bool stopped = false;
  CURLMcode state = CURLM_OK;
  while (state == CURLM_OK) {
    state = curl_multi_perform(multi.get(), &running);
    stopped = running > 0 && cancelled_ && cancelled_();
    if (running == 0 || stopped) break;
    state = curl_multi_poll(multi.get(), nullptr, 0, kPollMs, nullptr);
  }
  int left = 0;
  const CURLMsg* const message = curl_multi_info_read(multi.get(), &left);
  const CURLcode result = message ? message->data.result : CURLE_OK;
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_multi_remove_handle(multi.get(), handle);
  transfer.reply.status = int(status);

  if (transfer.error) return *std::move(transfer.error);
  if (stopped) return Error(ErrorCode::kCancelled, "interrupted");
  if (state != CURLM_OK) return Error(ErrorCode::kInternal, curl_multi_strerror(state));
  switch (result) {
    case CURLE_OK:
      return {};
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return Error(ErrorCode::kUnavailable,
                   cat("no node answers at ", address_, "; start one with `weft up`"));
    case CURLE_OPERATION_TIMEDOUT:
      return Error(ErrorCode::kTimeout, cat("the node at ", address_, " does not answer in time"));
    default:
      return Error(ErrorCode::kUnavailable, cat("the connection to the node at ", address_,
                                                " broke: ", curl_easy_strerror(result)));
  }
}

Result<HttpReply> HttpClient::get(const std::string& path) const {
  Transfer transfer;
  WEFT_CHECK(perform(path, nullptr, transfer));
  return std::move(transfer.reply);
}

Result<HttpReply> HttpClient::post(const std::string& path, const Json& body) const {
  const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  Transfer transfer;
  WEFT_CHECK(perform(path, &text, transfer));
  return std::move(transfer.reply);
}

Result<Json> HttpClient::get_json(const std::string& path) const {
  return parse_reply(get(path));
}

Result<Json> HttpClient::post_json(const std::string& path, const Json& body) const {
  return parse_reply(post(path, body));
}

Result<> HttpClient::post_events(
    const std::string& path, const Json& body,
    const std::function<Result<>(std::string_view data)>& on_data) const {
  const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  Transfer transfer;
  transfer.on_data = &on_data;
  WEFT_CHECK(perform(path, &text, transfer));
  if (transfer.reply.status < 200 || transfer.reply.status > 299) {
    return reply_error(transfer.reply);
  }
  return {};
}

Error reply_error(const HttpReply& reply) {
  const ErrorCode code = code_of(reply.status);
  const std::string_view advice =
      reply.status == 401 ? "; name the file that holds this node's key with --api-key-file FILE"
                          : "";
  const Json json = Json::parse(reply.body, nullptr, false);
  constexpr size_t kShownMax = 1000;
  if (json.is_object() && json.contains("error")) {
    const Json& error = json["error"];
    const Json& text = error.is_object() && error.contains("message") ? error["message"] : error;
    if (text.is_string()) {
      return Error(code, cat(printable(text.get_ref<const std::string&>(), kShownMax), advice));
    }
  }
  return Error(code, cat("the node answered with status ", reply.status, advice));
}

}  // namespace weft::node
