# examples/receivers/flask_app.py
import os

from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])


@app.post("/hook")
def hook():
    # Flask spells them Webhook-Id; the library looks for lower case.
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        event = webhook.verify(request.get_data(), headers)
    except WebhookVerificationError:
        return "", 400
    # Not every operational event is about a job.
    print(headers["webhook-id"], event["type"], event["data"].get("job_id", ""), flush=True)
    return "", 204


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "3000")))
