"""Train on an own table: python examples/table_train.py examples/table.yaml [--train_file my.csv ...]."""

from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import ClassificationDataset, ClassificationTask, ClassificationTrainArguments

if __name__ == "__main__":  # loader and training processes import this file again
    args = nlpbook.load_arguments(ClassificationTrainArguments)
    nlpbook.set_seed(args)
    nlpbook.set_logger(args)
    corpus = nlpbook.TableCorpus(args.train_file, text=args.text_column, label=args.label_column, seed=args.seed or 0)
    tokenizer = AutoTokenizer.from_pretrained(args.pretrained_model_name)
    train_dataset = ClassificationDataset(args, tokenizer, corpus, mode="train")
    val_dataset = ClassificationDataset(args, tokenizer, corpus, mode="test")
    model = AutoModelForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=corpus.num_labels)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(ClassificationTask(model, args), *nlpbook.get_dataloaders(args, train_dataset, val_dataset))
    print(nlpbook.evaluate(args.downstream_model_dir))
