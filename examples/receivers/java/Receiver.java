// examples/receivers/java/Receiver.java
import com.fasterxml.jackson.databind.ObjectMapper;
import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;

public class Receiver {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        Webhook webhook = new Webhook(System.getenv("WEBHOOK_SECRET"));
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "3000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/hook", exchange -> {
            exchange.sendResponseHeaders(take(webhook, exchange), -1);
            exchange.close();
        });
        server.start();
    }

    private static int take(Webhook webhook, HttpExchange exchange) throws IOException {
        // The exact bytes: verify before anything parses them.
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        HttpHeaders headers = HttpHeaders.of(exchange.getRequestHeaders(), (name, value) -> true);
        try {
            webhook.verify(body, headers);
        } catch (WebhookVerificationException error) {
            return 400;
        }
        var event = JSON.readTree(body);
        // Not every operational event is about a job.
        String jobId = event.at("/data/job_id").asText();
        String id = headers.firstValue("webhook-id").orElse("");
        System.out.println(id + " " + event.at("/type").asText() + " " + jobId);
        return 204;
    }
}
