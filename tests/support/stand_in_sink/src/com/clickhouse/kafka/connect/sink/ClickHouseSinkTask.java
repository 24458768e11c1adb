package com.clickhouse.kafka.connect.sink;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/**
 * Inserts what it is given as JSONEachRow over HTTP, a statement for each topic partition of a batch.
 *
 * What is modelled on version 1.5.0 of the real connector, as far as errors go:
 * - start() asks the server, and ends the task for good when it does not answer;
 * - fourteen codes of ClickHouse, and a server that cannot be reached, have Connect deliver the same batch again;
 * - at any other code the whole batch is at fault: with errors.tolerance=all every record of it goes to the dead
 *   letters and the task goes on (nowhere, without a topic for them), otherwise the task ends.
 */
public final class ClickHouseSinkTask extends SinkTask {
    private static final Set<Integer> PASSING =
            Set.of(3, 107, 159, 164, 202, 203, 209, 210, 241, 242, 252, 285, 319, 425, 999);
    private static final Duration ANSWER = Duration.ofSeconds(30);

    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5))
            .build();
    private final JsonConverter json = new JsonConverter();
    private Map<String, String> given;
    private boolean tolerant;
    private ErrantRecordReporter letters;

    /** ClickHouse refused; the message is its own text. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;
        final int code;

        Refused(int code, String text) {
            super(text);
            this.code = code;
        }
    }

    @Override
    public String version() {
        return "stand-in";
    }

    @Override
    public void start(Map<String, String> properties) {
        given = properties;
        json.configure(Map.of("schemas.enable", "false"), false);
        tolerant = "all".equals(given.get("errors.tolerance"));
        letters = context.errantRecordReporter();
        try {
            ask("SELECT version()", new byte[0]);
        } catch (IOException | Refused error) {
            throw new RuntimeException("Connection to ClickHouse is not active.", error);
        }
    }

    @Override
    public void put(Collection<SinkRecord> records) {
        Map<TopicPartition, List<SinkRecord>> batches = new LinkedHashMap<>();
        for (SinkRecord record : records) {
            TopicPartition place = new TopicPartition(record.topic(), record.kafkaPartition());
            batches.computeIfAbsent(place, any -> new ArrayList<>()).add(record);
        }
        batches.values().forEach(this::insert);
    }

    private void insert(List<SinkRecord> batch) {
        String table = given.get("database") + "." + batch.get(0).topic();
        try {
            ask("INSERT INTO " + table + " FORMAT JSONEachRow", lines(batch));
        } catch (IOException unreachable) {
            throw new RetriableException(unreachable);
        } catch (Refused refused) {
            if (PASSING.contains(refused.code)) {
                throw new RetriableException(refused);
            }
            give(batch, refused);
        } catch (RuntimeException unwritable) {
            give(batch, unwritable);
        }
    }

    private void give(List<SinkRecord> batch, Exception reason) {
        if (!tolerant) {
            throw new RuntimeException(reason);
        }
        if (letters != null) {
            batch.forEach(record -> letters.report(record, reason));
        }
    }

    private byte[] lines(List<SinkRecord> batch) {
        ByteArrayOutputStream lines = new ByteArrayOutputStream();
        for (SinkRecord record : batch) {
            if (!(record.value() instanceof Map)) {
                throw new ConnectException("a row is no JSON object");
            }
            lines.writeBytes(json.fromConnectData(record.topic(), null, record.value()));
            lines.write('\n');
        }
        return lines.toByteArray();
    }

    private void ask(String statement, byte[] rows) throws IOException, Refused {
        StringBuilder query = new StringBuilder("query=" + encoded(statement));
        for (String setting : given.getOrDefault("clickhouseSettings", "").split(",")) {
            query.append(setting.isBlank() ? "" : "&" + setting.strip());
        }
        String scheme = "true".equals(given.get("ssl")) ? "https" : "http";
        URI address = URI.create(scheme + "://" + given.get("hostname") + ":" + given.get("port") + "/?" + query);
        HttpRequest request = HttpRequest.newBuilder(address)
                .timeout(ANSWER)
                .header("X-ClickHouse-User", given.get("username"))
                .header("X-ClickHouse-Key", given.get("password"))
                .POST(HttpRequest.BodyPublishers.ofByteArray(rows))
                .build();
        HttpResponse<String> answer;
        try {
            answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new ConnectException("stopped", stopped);
        }
        if (answer.statusCode() != 200) {
            int code = answer.headers().firstValue("X-ClickHouse-Exception-Code").map(Integer::parseInt).orElse(0);
            throw new Refused(code, answer.body().strip());
        }
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    @Override
    public void stop() {
        // connections end with the client
    }
}
