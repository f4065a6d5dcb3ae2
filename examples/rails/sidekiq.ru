# frozen_string_literal: true

# Sidekiq Web without Rails. Puma takes SCRIPT_NAME from its environment, and Sidekiq begins its links with it.
require "rack/session/cookie"
require "sidekiq/web"

Redis.silence_deprecations = true
Redis.sadd_returns_boolean = false
Sidekiq.configure_client { |client| client.redis = { url: ENV.fetch("REDIS_URL") } }
use Rack::Session::Cookie, key: "_sidekiq", secret: ENV.fetch("SECRET_KEY_BASE"), same_site: true
run Sidekiq::Web
