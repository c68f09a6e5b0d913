"""Train question answering: python examples/qa_train.py examples/qa.yaml [--epochs 1 ...]."""

from transformers import BertForQuestionAnswering, BertTokenizer

from ratsnlp import nlpbook
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QADataset, QATask, QATrainArguments

if __name__ == "__main__":  # loader and training processes import this file again
    args = nlpbook.load_arguments(QATrainArguments)
    nlpbook.set_seed(args)
    nlpbook.set_logger(args)
    nlpbook.download_downstream_dataset(args)
    corpus = KorQuADV1Corpus()
    tokenizer = BertTokenizer.from_pretrained(args.pretrained_model_name, do_lower_case=False)
    train_dataset = QADataset(args, tokenizer, corpus, mode="train")
    val_dataset = QADataset(args, tokenizer, corpus, mode="test")
    model = BertForQuestionAnswering.from_pretrained(args.pretrained_model_name)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(QATask(model, args), *nlpbook.get_dataloaders(args, train_dataset, val_dataset))
    print(nlpbook.evaluate(args.downstream_model_dir))
